<?php
// PHP's pdo_pgsql with emulated and native prepares; a native one ends by DEALLOCATE. In comes the
// environment: PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, WIRE_WHAT (`calls` or `durations`), WIRE_CALLS
// (about) and WIRE_SEED. Out goes one line of JSON by this program's own count.

declare(strict_types=1);

const SELECT = 'select name, amount from item where id = ?';
const INSERT = 'insert into event (item, body) values (?, ?) returning id';
const UPDATE = 'update item set amount = amount + ? where id = ?';
const DELETE = 'delete from event where item = ? and id % 7 = 3';
const TWICE = 'insert into item (id, name) values (?, ?)';
const CHUNKS = "select repeat('x', 8000) as chunk, pg_sleep(0.002) from generate_series(1, 50)";
const LENGTHS = [
    ['1 ms', 'select pg_sleep(0.001) as ms1', 300],
    ['10 ms', 'select pg_sleep(0.010) as ms10', 60],
    ['100 ms', 'select pg_sleep(0.100) as ms100', 10],
    ['500 ms', 'select pg_sleep(0.500) as ms500', 3],
    ['2 s', 'select pg_sleep(2.000) as s2', 2],
    ['chunks', CHUNKS, 10],
];

final class Own
{
    private array $said = ['driver' => 'PHP pdo_pgsql', 'version' => PHP_VERSION, 'calls' => 0, 'errors' => 0,
        'empty' => 0, 'modes' => []];
    private string $mode = '';

    public function begin(string $mode): void
    {
        $this->mode = $mode;
        $this->said['modes'][$mode] = 0;
    }

    public function call(int $number = 1): void
    {
        $this->said['calls'] += $number;
        $this->said['modes'][$this->mode] += $number;
    }

    public function empty(): void
    {
        $this->said['empty']++;
    }

    public function error(): void
    {
        $this->said['errors']++;
    }

    public function fails(callable $ask): void
    {
        try {
            $ask();
        } catch (PDOException) {
            $this->error();
            return;
        }
        throw new LogicException('a call did not fail');
    }

    public function tell(): void
    {
        $modes = (object) $this->said['modes'];
        echo json_encode(['modes' => $modes] + $this->said), "\n";
    }
}

$own = new Own();
mt_srand((int) (getenv('WIRE_SEED') ?: '1'));
$calls = (int) (getenv('WIRE_CALLS') ?: '10000');

function item(): int
{
    return mt_rand(1, 1000);
}

function connect(bool $emulate): PDO
{
    $address = sprintf('pgsql:host=%s;port=%s;dbname=%s;sslmode=%s', getenv('PGHOST'), getenv('PGPORT'),
        getenv('PGDATABASE'), getenv('PGSSLMODE') ?: 'disable');
    return new PDO($address, getenv('PGUSER'), getenv('PGPASSWORD') ?: null,
        [PDO::ATTR_EMULATE_PREPARES => $emulate, PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
}

function ask(PDO $pdo, string $sql, array $values): array
{
    $statement = $pdo->prepare($sql);
    $statement->execute($values);
    return $statement->fetchAll();
}

function run(PDO $pdo, string $sql, mixed ...$values): void
{
    global $own;
    $own->call();
    ask($pdo, $sql, $values);
}

function transactions(PDO $pdo, bool $emulate): void
{
    global $own;
    $own->call(7);
    $pdo->beginTransaction();
    run($pdo, UPDATE, 1, item());
    $pdo->exec('savepoint here');
    $own->fails(fn () => ask($pdo, TWICE, [1, 'there already']));
    if (!$emulate) {
        // The library's DEALLOCATE comes while the transaction has failed, and fails unseen.
        $own->error();
    }
    $pdo->exec('rollback to savepoint here');
    $pdo->exec('release savepoint here');
    run($pdo, INSERT, item(), 'kept');
    $pdo->commit();
    $pdo->beginTransaction();
    run($pdo, INSERT, item(), 'not kept');
    $pdo->rollBack();
}

function failures(PDO $pdo): void
{
    global $own;
    $own->fails(fn () => $pdo->query('selec name from item where id = 3'));
    $own->fails(fn () => ask($pdo, 'select 1 / (id - id) from item where id = ?', [item()]));
    $own->fails(fn () => ask($pdo, TWICE, [item(), 'there already']));
    $own->empty();
    try {
        $pdo->exec('-- nothing');
    } catch (PDOException) {
        // The server is content; the library takes an empty answer for a failure.
    }
    $own->call(3);
    $pdo->exec('select 1; update item set note = \'n\' where id = 5; select \'b\'');
    $own->call();
    $own->fails(fn () => $pdo->exec('/* completes 1 */ select 2; select 3 / 0; select 4'));
    run($pdo, 'select id, repeat(?, 20) from item, generate_series(1, 3)', 'wide');
}

function mix(PDO $pdo, bool $emulate, int $rounds): void
{
    global $own;
    for ($number = 0; $number < $rounds; $number++) {
        run($pdo, SELECT, item());
        run($pdo, INSERT, item(), "it's round $number");
        run($pdo, UPDATE, $number, item());
        run($pdo, DELETE, item());
        if ($number % 5 === 0) {
            transactions($pdo, $emulate);
        }
        if ($number % 20 === 0) {
            failures($pdo);
        }
    }
}

function prepared(int $rounds): void
{
    global $own;
    $own->begin('prepared once');
    $pdo = connect(false);
    $select = $pdo->prepare(SELECT);
    for ($number = 0; $number < $rounds; $number++) {
        $own->call();
        $select->execute([item()]);
        $select->fetchAll();
    }
    unset($select);
    $own->begin('copy');
    for ($number = 0; $number < $rounds / 50; $number++) {
        $own->call(2);
        $pdo->pgsqlCopyFromArray('event', array_fill(0, 200, "1\tcopied"), "\t", '\\\\N', 'item, body');
        $pdo->pgsqlCopyToArray('item');
    }
}

function durations(): void
{
    $pdo = connect(false);
    foreach (LENGTHS as [$what, $sql, $times]) {
        $statement = $pdo->prepare($sql);
        $statement->execute();
        for ($number = 0; $number < $times; $number++) {
            $began = hrtime(true);
            $statement->execute();
            $ended = hrtime(true);
            echo "took $began $ended $what\n";
        }
    }
}

if (getenv('WIRE_WHAT') === 'durations') {
    durations();
} else {
    foreach (['emulated prepares' => true, 'native prepares' => false] as $mode => $emulate) {
        $own->begin($mode);
        mix(connect($emulate), $emulate, intdiv($calls, 16));
    }
    prepared(intdiv($calls, 5));
}
$own->tell();
