// Speaks through node-pg over TLS, in steps that the test tells: `open`, `bind`, `run`, `end`. The address comes from PG*
// variables. After each step its name is printed.
'use strict';

const https = require('node:https');
const readline = require('node:readline');
const { Client } = require('pg');

const ROWS = 20000;
const EACH = 100;

async function open() {
  const client = new Client({ ssl: { rejectUnauthorized: false } });
  await client.connect();
  return client;
}

// The same library speaks another protocol, in the same thread.
function other() {
  return new Promise((resolve) => {
    const request = https.get(process.env.OTHER, { rejectUnauthorized: false }, (response) => {
      response.resume();
      response.on('end', resolve);
    });
    request.on('error', resolve);
  });
}

async function work(client) {
  for (let number = 0; number < EACH; number++) {
    await client.query('select $1::int + 1', [number]);
    await client.query("select 'planted literal', 2");
  }
  await client.query(`select * from generate_series(1, ${ROWS})`);
}

let first;
const steps = {
  open: async () => {
    first = await open();
    await first.query("select 'opened'");
  },
  bind: async () => {
    for (let n = 0; n < 5; n++) await first.query("select 'bound'");
  },
  run: async () => {
    const later = await Promise.all([open(), open(), open()]);
    await other();
    await Promise.all([first, ...later].map(work));
    await other();
    await Promise.all(later.map((client) => client.end()));
  },
  end: () => first.end(),
};

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    await steps[line]();
    console.log(line);
  }
})();
