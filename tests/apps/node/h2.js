// A load over one connection of HTTP/2 without TLS: PORT USERS MS SECONDS. Each user asks anew when it is answered;
// the number of answers is printed at the end.
'use strict'

const http2 = require('node:http2')

const [port, users, ms, seconds] = process.argv.slice(2).map(Number)
const session = http2.connect(`http://127.0.0.1:${port}`)
const until = Date.now() + seconds * 1000
let answers = 0

const get = (path) =>
  new Promise((done, failed) => {
    const request = session.request({ ':path': path })
    request.on('response', (headers) => {
      if (headers[':status'] !== 200) failed(new Error(`status ${headers[':status']}`))
    })
    request.on('error', failed)
    request.on('end', done)
    request.resume()
  })

async function user() {
  while (Date.now() < until) {
    await get(`/plain?ms=${ms}`)
    answers += 1
  }
}

Promise.all(Array.from({ length: users }, user)).then(
  () => {
    session.close()
    console.log(answers)
  },
  (error) => {
    console.error(error.message)
    process.exit(1)
  },
)
