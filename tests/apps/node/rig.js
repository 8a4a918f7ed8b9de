// What the rigs on Node share: a small web server that borrows from a real pool, and the truth about each borrower.
//
// A page says how long everything takes: `ms` the query (for `/tx` and `/held` halved round a pause of `gap`),
// `pre` before the pool is asked, `post` after the connection is back; all in milliseconds.
// H2C=1 opens a second port, on which HTTP/2 is spoken without TLS.
// GET /truth   `S at used idle waiting total` each 10 ms by the library's own count, `-` where it has none;
//              `B asked got back route end` for each borrower. Nanoseconds of CLOCK_MONOTONIC.
'use strict'

const fs = require('node:fs')
const http = require('node:http')
const http2 = require('node:http2')
const https = require('node:https')

const now = () => Number(process.hrtime.bigint())
const pause = (ms) => (ms > 0 ? new Promise((done) => setTimeout(done, ms)) : undefined)

class Truth {
  rows = []

  constructor(counters) {
    const show = (number) => number ?? '-'
    setInterval(() => {
      const { used, idle, waiting, total } = counters()
      this.rows.push(`S ${now()} ${show(used)} ${show(idle)} ${show(waiting)} ${show(total)}`)
    }, 10).unref()
  }

  // A borrower that got nothing gave up at `got`.
  borrower(asked, got, back, route, end) {
    this.rows.push(`B ${asked} ${got} ${back} ${route} ${end}`)
  }
}

function pages(shapes, truth) {
  return async (url) => {
    const route = url.pathname.slice(1)
    if (route === 'truth') return `${truth.rows.join('\n')}\n`
    const number = (name) => Number(url.searchParams.get(name) ?? 0)
    const shape = shapes[route]
    if (!shape) return undefined
    await pause(number('pre'))
    await shape(number('ms'), number('gap'), route)
    await pause(number('post'))
    return 'ok'
  }
}

function serve(shapes, truth) {
  const answer = pages({ ...shapes, none: pause }, truth)
  const secure = process.env.TLS_CERT
  const options = secure
    ? { cert: fs.readFileSync(secure), key: fs.readFileSync(process.env.TLS_KEY) }
    : {}
  const handle = async (request, response) => {
    const send = (status, body) => {
      response.writeHead(status, { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(body) })
      response.end(body)
    }
    try {
      const body = await answer(new URL(request.url, 'http://localhost'))
      if (body === undefined) send(404, 'no such page')
      else send(200, body)
    } catch (error) {
      send(503, error.message)
    }
  }
  const server = (secure ? https : http).createServer(options, handle)
  // The load's connections outlive its pauses.
  server.keepAliveTimeout = 60_000
  server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', 2048, () => {
    console.log(`listening ${server.address().port}`)
    if (!process.env.H2C) return
    const multiplexed = http2.createServer(handle).listen(0, '127.0.0.1', () => {
      console.log(`h2c ${multiplexed.address().port}`)
    })
  })
  process.on('SIGTERM', () => process.exit(0))
}

module.exports = { Truth, now, pause, serve }
