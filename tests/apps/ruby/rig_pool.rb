# The rig of Ruby's connection_pool over pg: a thread for each connection of the web server. Its threads sleep, wait for the
# pool and wait for the interpreter at words of their own.
#
# A page says how long everything takes: `ms` the query (for `/tx` and `/held` halved round a pause of `gap`),
# `pre` before the pool is asked, `post` after the connection is back; all in milliseconds.
# GET /truth   `S at used idle waiting total` each 10 ms by the library's own count, `-` where it has none;
#              `B asked got back route end` for each borrower. Nanoseconds of CLOCK_MONOTONIC.

require "connection_pool"
require "pg"
require "socket"
require "uri"

SIZE = Integer(ENV.fetch("POOL", "10"))
PATIENCE = Integer(ENV.fetch("ACQUIRE_TIMEOUT_MS", "30000")) / 1000.0
# Address, port, user and database come from PG* in the environment, as libpq reads them.
POOL = ConnectionPool.new(size: SIZE, timeout: PATIENCE) { PG.connect }
SLEEP = "select pg_sleep($1)"
REASONS = { 200 => "OK", 404 => "Not Found", 503 => "Service Unavailable" }.freeze
ROWS = []

def now
  Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
end

def pause(milliseconds)
  sleep(milliseconds / 1000) if milliseconds.positive?
end

def sample
  loop do
    sleep(0.010)
    idle = POOL.available
    ROWS << "S #{now} #{SIZE - idle} #{idle} - #{SIZE}"
  end
end

def borrow(route)
  asked = now
  begin
    connection = POOL.checkout
  rescue StandardError => error
    ROWS << "B #{asked} #{now} 0 #{route} #{error.is_a?(Timeout::Error) ? 'timeout' : 'error'}"
    raise
  end
  got = now
  begin
    yield connection
  ensure
    POOL.checkin
    ROWS << "B #{asked} #{got} #{now} #{route} ok"
  end
end

def query(connection, milliseconds)
  connection.exec_params(SLEEP, [milliseconds / 1000])
end

def halves(connection, page)
  query(connection, page["ms"] / 2)
  pause(page["gap"])
  query(connection, page["ms"] / 2)
end

SHAPES = {
  "/none" => ->(page) { pause(page["ms"]) },
  "/plain" => ->(page) { borrow("plain") { |connection| query(connection, page["ms"]) } },
  "/tx" => lambda do |page|
    borrow("tx") { |connection| connection.transaction { halves(connection, page) } }
  end,
  "/held" => ->(page) { borrow("held") { |connection| halves(connection, page) } },
}.freeze

def answer(path, arguments)
  return [200, "#{ROWS.join("\n")}\n"] if path == "/truth"

  shape = SHAPES[path]
  return [404, "no such page"] unless shape

  page = Hash.new(0.0).merge(URI.decode_www_form(arguments.to_s).to_h.transform_values(&:to_f))
  pause(page["pre"])
  shape.call(page)
  pause(page["post"])
  [200, "ok"]
rescue StandardError => error
  [503, error.message]
end

# Just enough HTTP/1.1.
def handle(client)
  client.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
  while (line = client.gets)
    nil until ["\r\n", "\n", nil].include?(client.gets)
    path, arguments = line.split[1].split("?", 2)
    status, body = answer(path, arguments)
    head = "HTTP/1.1 #{status} #{REASONS[status]}\r\nContent-Type: text/plain\r\n"
    client.write("#{head}Content-Length: #{body.bytesize}\r\n\r\n#{body}")
  end
ensure
  client.close
end

server = TCPServer.new("127.0.0.1", Integer(ENV.fetch("PORT", "0")))
server.listen(2048)
trap("TERM") { exit!(0) }
Thread.new { sample }
puts "listening #{server.addr[1]}"
$stdout.flush
loop { Thread.new(server.accept) { |client| handle(client) } }
