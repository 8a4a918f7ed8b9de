// node-pg and pg-cursor: the simple protocol, unnamed and named statements, portals with suspension.
// See own.js for what comes in and what goes out.

'use strict'

const { Client, Pool } = require('pg')
const Cursor = require('pg-cursor')
const { Own, calls, durations, item, lengths, timed } = require('./own')

const own = new Own('node-pg', require('pg/package.json').version)
const SELECT = 'select name, amount from item where id = $1'
const RANGE = 'select id, name from item where amount between $1 and $2 order by id limit 50'
const INSERT = 'insert into event (item, body) values ($1, $2) returning id'
const UPDATE = 'update item set amount = amount + $1 where id = $2'
const TWICE = 'insert into item (id, name) values ($1, $2)'

const connect = async () => {
  const client = new Client()
  await client.connect()
  return client
}

// The name of the prepared statement; none for an unnamed one.
const parameters = (client) => (name, text, ...values) => { own.call(); return client.query(text, values) }
const named = (client) => (name, text, ...values) => { own.call(); return client.query({ name, text, values }) }

async function transactions (client, run) {
  own.call(6)
  await client.query('BEGIN')
  await run('update', UPDATE, 1, item())
  await client.query('SAVEPOINT here')
  await own.fails(client.query(TWICE, [1, 'there already']))
  await client.query('ROLLBACK TO SAVEPOINT here')
  await run('insert', INSERT, item(), 'kept')
  await client.query('COMMIT')
  await client.query('BEGIN')
  await run('insert', INSERT, item(), 'not kept')
  await client.query('ROLLBACK')
}

async function errors (client) {
  await own.fails(client.query('selec name from item where id = 3'))
  await own.fails(client.query('select 1 / (id - id) from item where id = $1', [item()]))
  await own.fails(client.query(TWICE, [item(), 'there already']))
  own.empty()
  await client.query('')
  own.empty()
  await client.query({ text: '-- nothing $1', values: [], queryMode: 'extended' })
}

async function mix (client, run, rounds) {
  for (let number = 0; number < rounds; number++) {
    await run('select', SELECT, item())
    await run('range', RANGE, item(), item())
    await run('insert', INSERT, item(), `of round ${number}`)
    await run('update', UPDATE, number, item())
    await run('delete', 'delete from event where item = $1 and id % 7 = 3', item())
    if (number % 5 === 0) await transactions(client, run)
    if (number % 20 === 0) await errors(client)
    if (number % 50 === 0) await run('wide', "select id, repeat('wide', 20) from item, generate_series(1, $1)", 3)
  }
}

async function modes (rounds) {
  const client = await connect()
  own.begin('parameters')
  await mix(client, parameters(client), rounds)
  own.begin('named')
  await mix(client, named(client), rounds)
  own.begin('simple')
  for (let number = 0; number < rounds; number++) {
    own.call(5)
    await client.query(`select name from item where id = ${item()}`)
    await client.query(`update item set note = 'it''s ${number}' where id = ${item()}`)
    await client.query(`select ${item()}; update item set note = 'n' where id = ${item()}; select 'b'`)
    if (number % 20 === 0) {
      own.call()
      await own.fails(client.query('/* completes 1 */ select 2; select 3 / 0; select 4'))
    }
  }
  await client.end()
}

async function pool (rounds) {
  own.begin('pool')
  const pool = new Pool({ max: 5 })
  for (let number = 0; number < rounds; number++) {
    own.call(20)
    await Promise.all(Array.from({ length: 20 }, () => pool.query(SELECT, [item()])))
  }
  await pool.end()
}

async function cursors (rounds) {
  own.begin('cursor')
  const client = await connect()
  for (let number = 0; number < rounds; number++) {
    own.call(2)
    const whole = client.query(new Cursor('select id, name from item order by id'))
    while ((await whole.read(300)).length > 0);
    await whole.close()
    const left = client.query(new Cursor('select id from item where id > $1 order by id', [item() % 500]))
    await left.read(10)
    await left.read(5)
    await left.close()
  }
  await client.end()
}

async function ask () {
  const client = await connect()
  await client.query("select 'warm'")
  for (const [what, text, times] of lengths) {
    for (let number = 0; number < times; number++) {
      await timed(what, () => client.query({ name: what, text }))
    }
  }
  await client.end()
}

async function all () {
  await modes(Math.floor(calls / 22))
  await pool(Math.floor(calls / 200))
  await cursors(Math.floor(calls / 200))
}

(durations ? ask() : all()).then(() => own.tell()).catch((error) => {
  console.error(error)
  process.exit(1)
})
