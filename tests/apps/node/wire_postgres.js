// postgres.js: prepared, unprepared, pipelined on one connection, cursors, and several statements at once.
// See own.js for what comes in and what goes out.

'use strict'

const fs = require('node:fs')
const path = require('node:path')
const postgres = require('postgres')
const { Own, calls, durations, item, lengths, timed } = require('./own')

// It does not export its package.json.
const manifest = path.join(path.dirname(require.resolve('postgres')), '../../package.json')
const own = new Own('postgres.js', JSON.parse(fs.readFileSync(manifest)).version)

const connect = (more) => postgres({
  host: process.env.PGHOST,
  port: Number(process.env.PGPORT),
  max: 1,
  ssl: process.env.PGSSLMODE === 'no-verify' && { rejectUnauthorized: false },
  onnotice: () => {},
  ...more
})

function run (query) {
  own.call()
  return query
}

async function transactions (sql) {
  own.call(4)
  await sql.begin(async (sql) => {
    await run(sql`update item set amount = amount + 1 where id = ${item()}`)
    await own.fails(sql.savepoint((sql) => sql`insert into item (id, name) values (${1}, ${'there already'})`))
    await run(sql`insert into event (item, body) values (${item()}, ${'kept'})`)
  })
  own.call(2)
  await sql.begin(async (sql) => {
    await run(sql`insert into event (item, body) values (${item()}, ${'not kept'})`)
    throw new Error('undone')
  }).catch((error) => { if (error.message !== 'undone') throw error })
}

async function errors (sql) {
  await own.fails(sql`selec name from item where id = 3`)
  await own.fails(sql`select 1 / (id - id) from item where id = ${item()}`)
  await own.fails(sql`insert into item (id, name) values (${item()}, ${'there already'})`)
  own.empty()
  await sql.unsafe('')
  own.call(3)
  await sql`select 1; update item set note = 'n' where id = 5; select 'b'`.simple()
}

async function mix (sql, rounds) {
  for (let number = 0; number < rounds; number++) {
    await run(sql`select name, amount from item where id = ${item()}`)
    await run(sql`select id, name from item where amount between ${item()} and ${item()} order by id limit 50`)
    await run(sql`insert into event (item, body) values (${item()}, ${`of round ${number}`}) returning id`)
    await run(sql`update item set amount = amount + ${number} where id = ${item()}`)
    await run(sql`delete from event where item = ${item()} and id % 7 = 3`)
    if (number % 5 === 0) await transactions(sql)
    if (number % 20 === 0) await errors(sql)
    if (number % 50 === 0) await run(sql`select id, repeat('wide', 20) from item, generate_series(1, 3)`)
  }
}

async function modes (rounds) {
  for (const prepare of [true, false]) {
    own.begin(prepare ? 'prepared' : 'unprepared')
    const sql = connect({ prepare })
    await mix(sql, rounds)
    await sql.end()
  }
}

async function pipelined (rounds) {
  own.begin('pipelined')
  const sql = connect({ max_pipeline: 100 })
  for (let number = 0; number < rounds; number++) {
    own.call(100)
    const asks = Array.from({ length: 50 }, () => [
      sql`select name, amount from item where id = ${item()}`,
      sql`update item set amount = amount + 1 where id = ${item()}`
    ])
    if (number % 5 === 0) {
      // An error among others in flight: only its own answer fails.
      asks.push([own.fails(sql`insert into item (id, name) values (${item()}, ${'there already'})`)])
    }
    await Promise.all(asks.flat())
  }
  await sql.end()
}

async function cursors (rounds) {
  own.begin('cursor')
  const sql = connect()
  for (let number = 0; number < rounds; number++) {
    own.call(2)
    await sql`select id, name from item order by id`.cursor(300, () => {})
    // Left after its first rows: the portal is closed while suspended.
    await sql`select id from item where id > ${item() % 500} order by id`.cursor(10, () => sql.CLOSE)
  }
  await sql.end()
}

async function ask () {
  const sql = connect()
  await sql`select 'warm'`
  for (const [what, text, times] of lengths) {
    for (let number = 0; number < times; number++) await timed(what, () => sql.unsafe(text, [], { prepare: true }))
  }
  await sql.end()
}

async function all () {
  await modes(Math.floor(calls / 18))
  await pipelined(Math.floor(calls / 500))
  await cursors(Math.floor(calls / 200))
}

(durations ? ask() : all()).then(() => own.tell()).catch((error) => {
  console.error(error)
  process.exit(1)
})
