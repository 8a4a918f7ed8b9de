# Ruby's pg: exec, exec_params, prepared, pipeline mode, single-row mode, COPY, over a connection string from
# the environment (PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE). WIRE_WHAT (`calls` or `durations`),
# WIRE_CALLS (about) and WIRE_SEED come in too; one line of JSON by its own count goes out.

require "json"
require "pg"

CALLS = Integer(ENV.fetch("WIRE_CALLS", "10000"))
DRAW = Random.new(Integer(ENV.fetch("WIRE_SEED", "1")))
SELECT = "select name, amount from item where id = $1"
RANGE = "select id, name from item where amount between $1 and $2 order by id limit 50"
INSERT = "insert into event (item, body) values ($1, $2) returning id"
UPDATE = "update item set amount = amount + $1 where id = $2"
DELETE = "delete from event where item = $1 and id % 7 = 3"
TWICE = "insert into item (id, name) values ($1, $2)"
CHUNKS = "select repeat('x', 8000) as chunk, pg_sleep(0.002) from generate_series(1, 50)"
LENGTHS = [
  ["1 ms", "select pg_sleep(0.001) as ms1", 300],
  ["10 ms", "select pg_sleep(0.010) as ms10", 60],
  ["100 ms", "select pg_sleep(0.100) as ms100", 10],
  ["500 ms", "select pg_sleep(0.500) as ms500", 3],
  ["2 s", "select pg_sleep(2.000) as s2", 2],
  ["chunks", CHUNKS, 10],
]

# Statements that this program made, by its own count.
class Own
  def initialize
    @said = { driver: "Ruby pg", version: PG::VERSION, calls: 0, errors: 0, empty: 0, modes: {} }
  end

  def begin(mode)
    @mode = mode
    @said[:modes][mode] = 0
  end

  def call(number = 1)
    @said[:calls] += number
    @said[:modes][@mode] += number
  end

  def empty
    @said[:empty] += 1
  end

  def fails
    yield
  rescue PG::Error
    @said[:errors] += 1
  else
    raise "a call did not fail"
  end

  def tell
    puts JSON.generate(@said)
  end
end

OWN = Own.new

def item
  DRAW.rand(1..1000)
end

def transactions(connection, run)
  OWN.call(5)
  connection.transaction do
    run.call(UPDATE, [1, item])
    connection.exec("savepoint here")
    OWN.fails { run.call(TWICE, [1, "there already"], counted: false) }
    connection.exec("rollback to savepoint here")
    run.call(INSERT, [item, "kept"])
  end
  begin
    connection.transaction do
      run.call(INSERT, [item, "not kept"])
      raise IndexError
    end
  rescue IndexError
    # Rolled back.
  end
end

def failures(connection, run)
  OWN.fails { connection.exec("selec name from item where id = 3") }
  OWN.fails { run.call("select 1 / (id - id) from item where id = $1", [item], counted: false) }
  OWN.fails { run.call(TWICE, [item, "there already"], counted: false) }
  OWN.empty
  connection.exec("")
  OWN.empty
  connection.exec_params("", [])
  OWN.call(3)
  connection.exec("select #{item}; update item set note = 'n' where id = #{item}; select 'b'")
  OWN.call
  OWN.fails { connection.exec("/* completes 1 */ select 2; select 3 / 0; select 4") }
  run.call("select id, repeat('wide', $1) from item, generate_series(1, 3)", [20])
end

def mix(connection, run, rounds)
  rounds.times do |number|
    run.call(SELECT, [item])
    run.call(RANGE, [item, item])
    run.call(INSERT, [item, "it's round #{number}"])
    run.call(UPDATE, [number, item])
    run.call(DELETE, [item])
    transactions(connection, run) if (number % 5).zero?
    failures(connection, run) if (number % 20).zero?
  end
end

# The same statement with its values written into its text.
def interpolated(connection, text, values)
  text.gsub(/\$(\d+)/) do
    value = values[Integer($1) - 1]
    value.is_a?(String) ? connection.escape_literal(value) : value.to_s
  end
end

def modes(rounds)
  PG.connect do |connection|
    count = ->(counted) { OWN.call if counted }
    OWN.begin("exec")
    mix(connection, ->(sql, values, counted: true) {
      count.(counted)
      connection.exec(interpolated(connection, sql, values)).values
    }, rounds)
    OWN.begin("exec_params")
    mix(connection, ->(sql, values, counted: true) {
      count.(counted)
      connection.exec_params(sql, values).values
    }, rounds)
    OWN.begin("exec_prepared")
    names = {}
    mix(connection, ->(sql, values, counted: true) {
      count.(counted)
      names[sql] ||= "s#{names.size}".tap { |name| connection.prepare(name, sql) }
      connection.exec_prepared(names[sql], values).values
    }, rounds)
  end
end

def drained(connection, wanted)
  until wanted.zero?
    result = connection.get_result
    next if result.nil?
    wanted -= 1 if result.result_status == PG::PGRES_PIPELINE_SYNC
    yield result
  end
end

def pipeline(rounds)
  OWN.begin("pipeline")
  PG.connect do |connection|
    connection.enter_pipeline_mode
    rounds.times do |number|
      40.times do |n|
        OWN.call
        connection.send_query_params(n.even? ? SELECT : UPDATE, n.even? ? [item] : [1, item])
        connection.pipeline_sync if n % 8 == 7
      end
      if (number % 5).zero?
        OWN.call
        connection.send_query_params(SELECT, [item])
        connection.send_query_params("select 1 / (id - 1) from item where id = $1", [1])
        connection.send_query_params(SELECT, [item])
        connection.pipeline_sync
      end
      failed = 0
      drained(connection, (number % 5).zero? ? 6 : 5) do |result|
        failed += 1 if result.result_status == PG::PGRES_FATAL_ERROR
      end
      failed.times { OWN.fails { raise PG::Error } }
    end
    connection.exit_pipeline_mode
  end
end

def rows_and_copies(rounds)
  OWN.begin("single row")
  PG.connect do |connection|
    rounds.times do
      OWN.call
      connection.send_query_params("select id, name from item where id > $1", [100])
      connection.set_single_row_mode
      connection.get_result.stream_each { |row| row }
      connection.get_last_result
    end
    OWN.begin("copy")
    rounds.times do
      OWN.call(2)
      connection.copy_data("copy event (item, body) from stdin") do
        200.times { |n| connection.put_copy_data("#{n}\tcopied\n") }
      end
      connection.copy_data("copy (select id, name from item) to stdout") do
        while connection.get_copy_data; end
      end
    end
  end
end

def durations
  now = -> { Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond) }
  PG.connect do |connection|
    connection.exec("select 'warm'")
    LENGTHS.each do |what, sql, times|
      times.times do
        began = now.call
        connection.exec_params(sql, [])
        ended = now.call
        puts "took #{began} #{ended} #{what}"
      end
    end
  end
end

if ENV["WIRE_WHAT"] == "durations"
  durations
else
  modes(CALLS / 28)
  pipeline(CALLS / 400)
  rows_and_copies(CALLS / 100)
end
OWN.tell
