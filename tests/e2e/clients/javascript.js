/* node javascript.js URL: calls each method of the npm package connectordb against a server that has the
 * admin test:test, and exits with 1 at the first answer that is not what it should be. */
'use strict';
const assert = require('assert');
const { ConnectorDB } = require('connectordb');

const url = process.argv[2];
const called = new Set();

/* The client, which notes what is called. */
function connect(...login) {
  return new Proxy(new ConnectorDB(...login), {
    get(client, name) {
      called.add(name);
      return client[name];
    },
  });
}

function assertError(answer, code) {
  assert.strictEqual(answer.code, code);
  assert.match(answer.msg, /./);
  assert.match(answer.ref, /^[0-9a-f-]{36}$/);
}

const names = list => list.map(each => each.name).sort();
const values = points => points.map(point => point.d);
const isAllowed = (all, some) => some.every(name => name in all);

async function users(admin) {
  const made = await admin.createUser(
    { name: 'alice', email: 'alice@example.org', password: 'secret', nickname: 'Alice' });
  assert.strictEqual(made.name, 'alice');
  assert.strictEqual(made.role, 'user');
  assert.strictEqual((await admin.readUser('alice')).nickname, 'Alice');
  const changed = await admin.updateUser('alice', { description: 'Grüße' });
  assert.strictEqual(changed.description, 'Grüße');
  assertError(await admin.readUser('nobodyhere'), 404);
  assertError(await admin.updateUser('alice', { no_field: 1 }), 403);
  assertError(await connect('alice', 'wrong', url).readUser('alice'), 401);
  await admin.createUser({ name: 'bob', email: 'bob@example.org', password: 'b' });
  assert.strictEqual(await admin.deleteUser('bob'), 'ok');
}

async function devices(alice) {
  const device = await alice.createDevice('alice', { name: 'phone', nickname: 'Phone', public: true });
  assert.match(device.apikey, /^.{16,}$/);
  assert.strictEqual((await alice.readDevice('alice', 'phone')).apikey, device.apikey);
  assert.deepStrictEqual(names(await alice.listDevices('alice')), ['meta', 'phone', 'user']);
  assert.strictEqual((await alice.updateDevice('alice', 'phone', { nickname: 'Old' })).nickname, 'Old');
  await alice.createDevice('alice', { name: 'lamp' });
  assert.strictEqual(await alice.deleteDevice('alice', 'lamp'), 'ok');
  assertError(await alice.readDevice('alice', 'lamp'), 404);
  return device.apikey;
}

async function streams(alice) {
  const stream = await alice.createStream('alice', 'phone',
    { name: 'steps', schema: '{"type": "number"}', datatype: 'count.steps' });
  assert.strictEqual(stream.schema, '{"type":"number"}');
  await alice.createStream('alice', 'phone', { name: 'other', downlink: true });
  assert.deepStrictEqual(names(await alice.listStreams('alice', 'phone')), ['other', 'steps']);
  assert.strictEqual((await alice.readStream('alice', 'phone', 'steps')).datatype, 'count.steps');
  const changed = await alice.updateStream('alice', 'phone', 'steps', { nickname: 'Steps' });
  assert.strictEqual(changed.nickname, 'Steps');
  assert.deepStrictEqual(names(await alice.listUserStreams('alice', '*', true, true)), ['other']);
  assert.deepStrictEqual(names(await alice.listUserStreams('alice')), ['other', 'steps']);
  assert.strictEqual(await alice.deleteStream('alice', 'phone', 'other'), 'ok');
  assertError(await alice.readStream('alice', 'phone', 'other'), 404);
}

async function data(phone) {
  const path = ['alice', 'phone', 'steps'];
  const points = [1, 2, 3, 4].map(n => ({ t: 1480000000 + n, d: n * 10 }));
  assert.strictEqual(await phone.insertStream(...path, points), 'ok');
  assert.strictEqual(await phone.lengthStream(...path), 4);
  assert.deepStrictEqual(await phone.indexStream(...path, 1, 3), points.slice(1, 3));
  assert.deepStrictEqual(values(await phone.indexStream(...path, 0, 0, 'if $ > 20')), [30, 40]);
  assert.deepStrictEqual(await phone.timeStream(...path, 1480000001, 1480000003), points.slice(1, 3));
  assert.deepStrictEqual(values(await phone.timeStream(...path, 0, 1480000004, 1, '$ + 1')), [11]);
  assert.strictEqual(await phone.insertNow(...path, 50), 'ok');
  const [last] = await phone.indexStream(...path, -1, 0);
  assert.strictEqual(last.d, 50);
  assert.ok(Math.abs(last.t - Date.now() / 1000) < 60);
  assertError(await phone.insertNow(...path, 'a text'), 403);
  /* a point before the last one is restamped: the client inserts by PUT */
  assert.strictEqual(await phone.insertStream(...path, [{ t: 1480000001, d: 60 }]), 'ok');
  const [restamped] = await phone.indexStream(...path, -1, 0);
  assert.strictEqual(restamped.t, last.t + (Number.isInteger(last.t) ? 0.00001 : 0));
}

async function queries(phone) {
  assert.ok(isAllowed(await phone.getTransforms(), ['sum', 'if']));
  assert.ok(isAllowed(await phone.getInterpolators(), ['closest', 'before', 'sum']));
  const merge = phone.merge();
  merge.addStream('alice', 'phone', 'steps').betweenIndex(0, 2);
  merge.addStream('alice', 'phone', 'steps').betweenTime(1480000001, 1480000004).limit(2).transform('$ * 2');
  assert.deepStrictEqual(values(await merge.run()), [10, 20, 40, 60]);
}

async function main() {
  const admin = connect('test', 'test', url);
  await users(admin);
  const alice = connect('alice', 'secret', url);
  const key = await devices(alice);
  await streams(alice);
  const phone = connect(key, undefined, url);
  await data(phone);
  await queries(phone);
  const all = Object.getOwnPropertyNames(ConnectorDB.prototype)
    .filter(name => name !== 'constructor' && !name.startsWith('_'));
  assert.deepStrictEqual(all.filter(name => !called.has(name)), []);
  console.log(`${all.length} methods`);
}

main().catch(error => {
  console.error(error);
  process.exit(1);
});
