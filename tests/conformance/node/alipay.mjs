// A shop on npm alipay-sdk. Reads a job as JSON from stdin and writes what the client made of it to stdout.
import { readFileSync } from 'node:fs';
import { AlipaySdk } from 'alipay-sdk';

const job = JSON.parse(readFileSync(0, 'utf8'));
const options = {
  appId: job.app_id,
  gateway: job.url,
  privateKey: job.app_private_key,
  keyType: 'PKCS1',
  camelcase: false,
};
const byKey = { ...options, alipayPublicKey: job.alipay_public_key };
const byCertificate = {
  ...options,
  appCertContent: job.app_cert,
  alipayPublicCertContent: job.alipay_cert,
  alipayRootCertContent: job.alipay_root_cert,
};
const sdk = new AlipaySdk(job.has_certs ? byCertificate : byKey);

async function asked({ ask, ...params }) {
  try {
    if (ask === 'alipay.trade.page.pay') return sdk.pageExecute(ask, 'GET', params);
    return await sdk.exec(ask, params, { validateSign: true });
  } catch (error) {
    return { error: error.name };
  }
}

function read(text) {
  try {
    sdk.checkResponseSign(text, job.node, JSON.parse(text).sign, '');
    return true;
  } catch {
    return false;
  }
}

const map = (given, make) => Object.fromEntries(Object.entries(given ?? {}).map(([name, value]) => [name, make(value)]));
const done = { asked: [], read: map(job.answers, read), verified: map(job.notices, (told) => sdk.checkNotifySignV2(told)) };
for (const step of job.steps ?? []) done.asked.push(await asked(step));
process.stdout.write(JSON.stringify(done));
