// What a driver's program counts of itself, and where it is told to go.
//
// In comes the environment: PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE; WIRE_WHAT (`calls` or
// `durations`), WIRE_CALLS (statements to make, about) and WIRE_SEED. Out goes one line of JSON.

'use strict'

const calls = Number(process.env.WIRE_CALLS || 10000)
const durations = process.env.WIRE_WHAT === 'durations'

// What takes how long, and how often. The texts differ, and so do their fingerprints.
const lengths = [
  ['1 ms', 'select pg_sleep(0.001) as ms1', 300],
  ['10 ms', 'select pg_sleep(0.010) as ms10', 60],
  ['100 ms', 'select pg_sleep(0.100) as ms100', 10],
  ['500 ms', 'select pg_sleep(0.500) as ms500', 3],
  ['2 s', 'select pg_sleep(2.000) as s2', 2],
  ['chunks', "select repeat('x', 8000) as chunk, pg_sleep(0.002) from generate_series(1, 50)", 10]
]

// mulberry32: the standard library has no generator that takes a seed.
let state = Number(process.env.WIRE_SEED || 1)
function random () {
  state = (state + 0x6D2B79F5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}

const item = () => 1 + Math.floor(random() * 1000)

class Own {
  constructor (driver, version) {
    this.said = { driver, version, calls: 0, errors: 0, empty: 0, modes: {} }
  }

  begin (mode) {
    this.mode = mode
    this.said.modes[mode] = 0
  }

  call (number = 1) {
    this.said.calls += number
    this.said.modes[this.mode] += number
  }

  error () {
    this.said.errors += 1
  }

  empty () {
    this.said.empty += 1
  }

  // A call that must fail.
  async fails (promise) {
    let failed = false
    await promise.catch(() => { failed = true })
    if (!failed) throw new Error('a call did not fail')
    this.error()
  }

  tell () {
    console.log(JSON.stringify(this.said))
  }
}

async function timed (what, ask) {
  const began = process.hrtime.bigint()
  await ask()
  const ended = process.hrtime.bigint()
  console.log(`took ${began} ${ended} ${what}`)
}

module.exports = { Own, calls, durations, item, lengths, timed }
