// A test suite on npm toxiproxy-node-client. Reads addresses as JSON from stdin and writes what happened to stdout.
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { Toxiproxy } from 'toxiproxy-node-client';

const job = JSON.parse(readFileSync(0, 'utf8'));
const client = new Toxiproxy(job.url);
const done = {};

// How long an echo takes, or the code of what went wrong.
const exchange = (listen) =>
  new Promise((resolve) => {
    const began = performance.now();
    const link = net.connect(Number(listen.split(':').pop()), '127.0.0.1', () => link.write('hello'));
    link.on('data', () => link.end(() => resolve(performance.now() - began)));
    link.on('error', (error) => resolve(error.code));
    link.on('close', () => resolve('closed'));
  });
const failed = async (promise) => {
  try {
    await promise;
    return '';
  } catch (error) {
    return error.message;
  }
};

done.version = await client.getVersion();
const proxy = await client.createProxy({ name: 'db', listen: '127.0.0.1:0', upstream: job.upstream });
done.created = proxy.toJson();
done.again = await failed(client.createProxy({ name: 'db', listen: '127.0.0.1:0', upstream: job.upstream }));
done.plain_ms = await exchange(proxy.listen);

const toxic = await proxy.addToxic({
  name: 'late', type: 'latency', stream: 'downstream', toxicity: 1, attributes: { latency: 120, jitter: 0 },
});
done.toxic = toxic.toJson();
done.late_ms = await exchange(proxy.listen);
done.changed = (await toxic.update({ attributes: { latency: 250, jitter: 0 }, toxicity: 1 })).toJson();
done.later_ms = await exchange(proxy.listen);
done.found = (await proxy.getToxic('late')).toJson();
await toxic.remove();
done.gone = await failed(proxy.getToxic('late'));
done.after_ms = await exchange(proxy.listen);

done.disabled = (await proxy.update({ enabled: false, listen: proxy.listen, upstream: proxy.upstream })).toJson();
done.refused = await exchange(proxy.listen);
await proxy.addToxic({ name: '', type: 'timeout', stream: 'upstream', toxicity: 0.5, attributes: { timeout: 5 } });
await client.reset();
done.reset = (await client.get('db')).toJson();
done.reset_ms = await exchange(proxy.listen);

const rows = ['a', 'b'].map((name) => ({ name, listen: '127.0.0.1:0', upstream: job.upstream }));
done.populated = Object.keys(await client.populate(rows));
done.all = Object.keys(await client.getAll());
for (const one of Object.values(await client.getAll())) await one.remove();
done.left = Object.keys(await client.getAll());
process.stdout.write(JSON.stringify(done));
