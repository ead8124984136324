// A shop on npm wechatpay-axios-plugin. Reads a job as JSON from stdin and writes what the client made of it to stdout.
import { readFileSync } from 'node:fs';
import plugin from 'wechatpay-axios-plugin';

const { Wechatpay, Rsa, Aes, Formatter } = plugin;
const job = JSON.parse(readFileSync(0, 'utf8'));
const shop = new Wechatpay({
  baseURL: job.url,
  mchid: job.mchid,
  serial: job.serial,
  privateKey: job.private_key,
  certs: { [job.platform_serial]: job.platform },
  headers: job.headers,
  proxy: false,
});

// The client signs data also where a GET has none to send, so nothing is given there.
async function asked({ method, path, data, params }) {
  try {
    const call = shop.chain(path);
    const answer = method === 'GET' ? await call.get({ params }) : await call.post(data);
    return { status: answer.status, data: answer.data };
  } catch (error) {
    return { error: error.code ?? error.name, status: error.response?.status, data: error.response?.data };
  }
}

// What this client leaves to its shop: signature, then the resource.
function told({ headers, body }) {
  const text = Formatter.response(headers['Wechatpay-Timestamp'], headers['Wechatpay-Nonce'], body);
  if (headers['Wechatpay-Serial'] !== job.platform_serial) return { is_signed: false };
  const isSigned = Rsa.verify(text, headers['Wechatpay-Signature'] ?? '', Rsa.from(job.platform, 'public'));
  if (!isSigned) return { is_signed: false };
  const { ciphertext, nonce, associated_data: aad } = JSON.parse(body).resource;
  try {
    return { is_signed: true, resource: JSON.parse(Aes.AesGcm.decrypt(ciphertext, job.v3key, nonce, aad)) };
  } catch (error) {
    return { is_signed: true, error: error.message };
  }
}

const answers = [];
for (const ask of job.asks ?? []) answers.push(await asked(ask));
console.log(JSON.stringify({ answers, told: (job.notices ?? []).map(told) }));
