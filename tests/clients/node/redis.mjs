// npm's `redis` against a running server: node redis.mjs PORT. Exits with 1 and an assertion's text if a reply is not Redis's.
import assert from 'node:assert/strict';
import { createClient } from 'redis';

const url = `redis://127.0.0.1:${process.argv[2]}`;

async function strings(client) {
  assert.equal(await client.set('a', '1'), 'OK');
  assert.equal(await client.get('a'), '1');
  assert.equal(await client.get('none'), null);
  assert.equal(await client.set('a', '2', { NX: true }), null);
  assert.equal(await client.set('a', '2', { GET: true }), '1');
  assert.equal(await client.set('timed', 'x', { EX: 100 }), 'OK');
  const ttl = await client.ttl('timed');
  assert.ok(ttl > 0 && ttl <= 100);
  assert.deepEqual(await client.mGet(['a', 'none', 'timed']), ['2', null, 'x']);
  assert.equal(await client.incrBy('n', 41), 41);
  assert.equal(await client.incrByFloat('n', 0.5), '41.5');
  assert.equal(await client.append('a', 'bc'), 3);
  assert.equal(await client.getRange('a', 0, 1), '2b');
  assert.equal(await client.getDel('a'), '2bc');
  await assert.rejects(client.incr('timed'), /value is not an integer or out of range/);
}

async function transactions(client) {
  assert.deepEqual(await client.multi().set('m', '1').incr('m').get('m').exec(), ['OK', 2, '2']);
  const other = client.duplicate();
  await other.connect();
  await client.watch('m');
  await other.set('m', '5');
  await assert.rejects(client.multi().incr('m').exec(), /changed/);
  assert.equal(await client.get('m'), '5');
  other.destroy();
}

async function keys(client) {
  for (let i = 0; i < 100; ++i) await client.set(`scan:${i}`, 'x');
  const seen = new Set();
  for await (const batch of client.scanIterator({ MATCH: 'scan:*', COUNT: 10 })) batch.forEach((key) => seen.add(key));
  assert.equal(seen.size, 100);
  assert.equal(await client.del([...seen]), 100);
  assert.equal(await client.type('timed'), 'string');
  assert.equal(await client.objectEncoding('timed'), 'embstr');
}

async function rows(client) {
  const row = await client.hGetAll('pkg:curl');
  assert.equal(row.version, '8.1');
  assert.equal(await client.hGet('pkg:curl', 'size'), '300');
  assert.deepEqual(await client.hmGet('pkg:curl', ['name', 'note']), ['curl', null]);
  assert.equal(await client.hSet('pkg:curl', { note: 'by redis' }), 0);
  assert.equal(await client.hGet('pkg:curl', 'note'), 'by redis');
  assert.equal(await client.hDel('pkg:curl', 'note'), 1);
  assert.equal(await client.get('pkg:none'), null);
  assert.equal(await client.incr('views:curl'), 8);
  assert.equal(await client.decr('views:curl'), 7);
  const packages = await client.mGet(['pkg:curl', 'pkg:wget', 'pkg:none']);
  assert.deepEqual(packages.map((text) => text && JSON.parse(text).name), ['curl', 'wget', null]);
  await assert.rejects(client.hDel('pkg:curl', 'version'), /REFUSED/);
}

async function pipelines(client) {
  const replies = await Promise.all(Array.from({ length: 1000 }, (_, i) => client.set(`p${i}`, `${i}`)));
  assert.ok(replies.every((reply) => reply === 'OK'));
  const values = await Promise.all(Array.from({ length: 1000 }, (_, i) => client.get(`p${i}`)));
  assert.deepEqual(values, Array.from({ length: 1000 }, (_, i) => `${i}`));
}

for (const RESP of [2, 3]) {
  const client = createClient({ url, RESP, name: `test-resp${RESP}` });
  client.on('error', (error) => {
    throw error;
  });
  await client.connect();
  await client.flushAll();
  await strings(client);
  await transactions(client);
  await keys(client);
  await rows(client);
  await pipelines(client);
  assert.equal(await client.clientGetName(), `test-resp${RESP}`);
  assert.match(await client.info('server'), /redis_version/);
  const explained = await client.sendCommand(['FOREBAY', 'EXPLAIN', 'pkg:curl']);
  assert.ok(JSON.stringify(explained).includes('pkg'));
  await client.close();
}
console.log('passed');
