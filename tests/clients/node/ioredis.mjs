// npm's `ioredis` against a running server: node ioredis.mjs PORT. Exits with 1 and an assertion's text if a reply is not
// Redis's.
import assert from 'node:assert/strict';
import Redis from 'ioredis';

const port = Number(process.argv[2]);

async function strings(redis) {
  assert.equal(await redis.set('a', '1', 'EX', 100, 'NX'), 'OK');
  assert.equal(await redis.set('a', '1', 'EX', 100, 'NX'), null);
  assert.equal(await redis.get('a'), '1');
  assert.deepEqual(await redis.getBuffer('a'), Buffer.from('1'));
  const ttl = await redis.ttl('a');
  assert.ok(ttl > 0 && ttl <= 100);
  assert.equal(await redis.mset({ x: '1', y: '2' }), 'OK');
  assert.deepEqual(await redis.mget('x', 'none', 'y'), ['1', null, '2']);
  assert.equal(await redis.incr('x'), 2);
  assert.equal(await redis.getex('x', 'PERSIST'), '2');
  await assert.rejects(redis.call('NOSUCHCOMMAND'), /unknown command/i);
}

async function transactions(redis) {
  assert.deepEqual(await redis.multi().set('m', 1).incr('m').exec(), [
    [null, 'OK'],
    [null, 2],
  ]);
  assert.deepEqual(await redis.pipeline().get('m').get('none').incrby('m', 3).exec(), [
    [null, '2'],
    [null, null],
    [null, 5],
  ]);
  const other = redis.duplicate();
  await redis.watch('m');
  await other.set('m', 9);
  assert.equal(await redis.multi().incr('m').exec(), null);
  other.disconnect();
}

async function keys(redis) {
  await redis.mset(Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`scan:${i}`, 'x'])));
  const seen = new Set();
  for await (const batch of redis.scanStream({ match: 'scan:*', count: 10 })) batch.forEach((key) => seen.add(key));
  assert.equal(seen.size, 100);
  assert.equal(await redis.unlink(...seen), 100);
  assert.equal(await redis.exists('scan:1'), 0);
}

async function rows(redis) {
  assert.equal((await redis.hgetall('pkg:curl')).version, '8.1');
  assert.deepEqual(await redis.hgetall('pkg:none'), {});
  assert.equal(await redis.hset('pkg:curl', { note: 'by ioredis' }), 0);
  assert.equal(await redis.hget('pkg:curl', 'note'), 'by ioredis');
  assert.equal(await redis.hdel('pkg:curl', 'note'), 1);
  assert.equal(JSON.parse(await redis.get('pkg:wget')).name, 'wget');
  assert.equal(await redis.incrby('views:curl', 2), 9);
  assert.equal(await redis.decrby('views:curl', 2), 7);
}

const redis = new Redis({ port, host: '127.0.0.1', connectionName: 'test', enableAutoPipelining: true, db: 0 });
await redis.flushall();
await strings(redis);
await transactions(redis);
await keys(redis);
await rows(redis);
const values = await Promise.all(Array.from({ length: 500 }, (_, i) => redis.set(`p${i}`, i).then(() => redis.get(`p${i}`))));
assert.deepEqual(values, Array.from({ length: 500 }, (_, i) => `${i}`));
assert.equal(await redis.client('GETNAME'), 'test');
await redis.quit();
console.log('passed');
