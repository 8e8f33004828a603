/* node fetch.mjs URL CA: inserts and reads with Node's fetch, which trusts the CA of NODE_EXTRA_CA_CERTS, and
 * with node:https over one kept connection; a certificate of an unknown CA is refused. */
import assert from 'node:assert';
import fs from 'node:fs';
import https from 'node:https';

const [url, ca] = process.argv.slice(2);
const stream = `${url}/api/v1/crud/test/user/node`;
const headers = { Authorization: 'Basic ' + Buffer.from('test:test').toString('base64') };
const points = Array.from({ length: 5000 }, (_, i) => ({ t: 1480000000 + i, d: `the ${i}th value` }));

async function ask(method, address, body) {
  const answer = await fetch(address, { method, headers, body: body && JSON.stringify(body) });
  assert.strictEqual(answer.status, 200);
  return answer;
}

function get(agent, address) {
  return new Promise((resolve, reject) => {
    const request = https.get(address, { agent, headers }, answer => {
      let text = '';
      answer.setEncoding('utf8').on('data', part => { text += part; })
        .on('end', () => resolve({ text, reused: request.reusedSocket }));
    }).on('error', reject);
  });
}

await ask('POST', stream, {});
assert.strictEqual(await (await ask('POST', `${stream}/data`, points)).text(), 'ok');
assert.deepStrictEqual(await (await ask('GET', `${stream}/data?i1=0`)).json(), points);
const missing = await fetch(`${stream}no`, { headers });
assert.deepStrictEqual([missing.status, (await missing.json()).code], [404, 404]);

const agent = new https.Agent({ ca: fs.readFileSync(ca), keepAlive: true, maxSockets: 1 });
assert.strictEqual((await get(agent, `${stream}/data?q=length`)).text, '5000');
const again = await get(agent, `${url}/api/v1/?q=this`);
assert.deepStrictEqual(again, { text: 'test/user', reused: true });
agent.destroy();

await assert.rejects(get(new https.Agent({ ca: [] }), url), /certificate/);
console.log('ok');
