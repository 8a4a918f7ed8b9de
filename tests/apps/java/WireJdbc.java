// pgjdbc in its settings that change the protocol: prepareThreshold, autosave, batches with and without
// rewriting, portals by fetch size. Comes in: PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, WIRE_WHAT
// (`calls` or `durations`), WIRE_CALLS (about) and WIRE_SEED. Goes out: one line of JSON by its own count.

import java.io.StringReader;
import java.io.StringWriter;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.stream.Collectors;
import org.postgresql.PGConnection;

public class WireJdbc {
    static final int CALLS = Integer.parseInt(env("WIRE_CALLS", "10000"));
    static final Random RANDOM = new Random(Long.parseLong(env("WIRE_SEED", "1")));
    static final Map<String, Integer> MODES = new LinkedHashMap<>();
    static final String SELECT = "select name, amount from item where id = ?";
    static final String RANGE = "select id, name from item where amount between ? and ? order by id limit 50";
    static final String INSERT = "insert into event (item, body) values (?, ?)";
    static final String UPDATE = "update item set amount = amount + ? where id = ?";
    static final String DELETE = "delete from event where item = ? and id % 7 = 3";
    static final String TWICE = "insert into item (id, name) values (?, ?)";
    static final Object[][] LENGTHS = {
        {"1 ms", "select pg_sleep(0.001) as ms1", 300},
        {"10 ms", "select pg_sleep(0.010) as ms10", 60},
        {"100 ms", "select pg_sleep(0.100) as ms100", 10},
        {"500 ms", "select pg_sleep(0.500) as ms500", 3},
        {"2 s", "select pg_sleep(2.000) as s2", 2},
        {"chunks", "select repeat('x', 8000) as chunk, pg_sleep(0.002) from generate_series(1, 50)", 10},
    };
    static int errors;
    static int empty;
    static String mode = "";

    interface Ask {
        void run() throws SQLException;
    }

    static String env(String name, String otherwise) {
        return System.getenv().getOrDefault(name, otherwise);
    }

    static int item() {
        return 1 + RANDOM.nextInt(1000);
    }

    static void begin(String name) {
        mode = name;
        MODES.put(name, 0);
    }

    static void call(int number) {
        MODES.merge(mode, number, Integer::sum);
    }

    static Connection connect(String... more) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", env("PGPASSWORD", ""));
        properties.setProperty("sslmode", env("PGSSLMODE", "disable"));
        properties.setProperty("gssEncMode", "disable");
        for (int i = 0; i < more.length; i += 2) {
            properties.setProperty(more[i], more[i + 1]);
        }
        String place = System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE");
        return DriverManager.getConnection("jdbc:postgresql://" + place, properties);
    }

    static void fill(PreparedStatement statement, Object... values) throws SQLException {
        for (int i = 0; i < values.length; i++) {
            statement.setObject(i + 1, values[i]);
        }
    }

    static void run(PreparedStatement statement, Object... values) throws SQLException {
        call(1);
        fill(statement, values);
        if (statement.execute()) {
            try (ResultSet rows = statement.getResultSet()) {
                while (rows.next()) {
                    rows.getObject(1);
                }
            }
        }
    }

    static void run(Connection connection, String sql, Object... values) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            run(statement, values);
        }
    }

    static void fails(Ask ask) {
        try {
            ask.run();
        } catch (SQLException expected) {
            errors++;
            return;
        }
        throw new IllegalStateException("a call did not fail");
    }

    static void transactions(Connection connection) throws SQLException {
        // BEGIN comes with the first statement.
        connection.setAutoCommit(false);
        call(5);
        run(connection, UPDATE, 1, item());
        Savepoint here = connection.setSavepoint("here");
        fails(() -> fillAndRun(connection, TWICE, 1, "there already"));
        connection.rollback(here);
        connection.releaseSavepoint(here);
        run(connection, INSERT, item(), "kept");
        connection.commit();
        call(2);
        run(connection, INSERT, item(), "not kept");
        connection.rollback();
        connection.setAutoCommit(true);
    }

    static void fillAndRun(Connection connection, String sql, Object... values) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            fill(statement, values);
            statement.execute();
        }
    }

    static void failures(Connection connection) throws SQLException {
        fails(() -> fillAndRun(connection, "selec name from item where id = 3"));
        fails(() -> fillAndRun(connection, "select 1 / (id - id) from item where id = ?", item()));
        fails(() -> fillAndRun(connection, TWICE, item(), "there already"));
        empty++;
        fillAndRun(connection, "");
        call(3);
        fillAndRun(connection, "select 1; update item set note = 'n' where id = 5; select 'b'");
        run(connection, "select id, repeat('wide', 20) from item, generate_series(1, 3)");
    }

    static void mix(Connection connection, int rounds) throws SQLException {
        try (PreparedStatement select = connection.prepareStatement(SELECT);
                PreparedStatement insert = connection.prepareStatement(INSERT, Statement.RETURN_GENERATED_KEYS)) {
            for (int number = 0; number < rounds; number++) {
                run(select, item());
                run(connection, RANGE, item(), item());
                run(insert, item(), "of round " + number);
                run(connection, UPDATE, number, item());
                run(connection, DELETE, item());
                if (number % 5 == 0) {
                    transactions(connection);
                }
                if (number % 20 == 0) {
                    failures(connection);
                }
            }
        }
    }

    static void thresholds(int rounds) throws SQLException {
        for (String threshold : new String[] {"0", "1", "5"}) {
            begin("prepareThreshold=" + threshold);
            try (Connection connection = connect("prepareThreshold", threshold)) {
                mix(connection, rounds);
            }
        }
        begin("simple");
        try (Connection connection = connect("preferQueryMode", "simple")) {
            mix(connection, rounds);
        }
    }

    static void autosave(int rounds) throws SQLException {
        begin("autosave=always");
        try (Connection connection = connect("autosave", "always")) {
            connection.setAutoCommit(false);
            for (int number = 0; number < rounds; number++) {
                // BEGIN, COMMIT, and a SAVEPOINT with its RELEASE for each of ours.
                call(6);
                run(connection, SELECT, item());
                if (number % 5 == 0) {
                    fails(() -> fillAndRun(connection, TWICE, 1, "there already"));
                }
                run(connection, UPDATE, 1, item());
                connection.commit();
            }
        }
    }

    static void batches(int rounds) throws SQLException {
        for (String rewrite : new String[] {"false", "true"}) {
            begin("batch, reWriteBatchedInserts=" + rewrite);
            try (Connection connection = connect("reWriteBatchedInserts", rewrite)) {
                for (int number = 0; number < rounds; number++) {
                    batch(connection, INSERT, 50, "of a batch");
                    batch(connection, "update item set note = ? where id = ?", 20, null);
                    if (number % 10 == 0) {
                        fails(() -> brokenBatch(connection));
                    }
                }
            }
        }
    }

    static void batch(Connection connection, String sql, int size, String body) throws SQLException {
        call(size);
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int i = 0; i < size; i++) {
                fill(statement, body == null ? new Object[] {"n", item()} : new Object[] {item(), body});
                statement.addBatch();
            }
            statement.executeBatch();
        }
    }

    static void brokenBatch(Connection connection) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement("update item set note = ? where id = 7 / ?")) {
            for (int divisor : new int[] {1, 7, 0, 7}) {
                fill(statement, "n", divisor);
                statement.addBatch();
            }
            statement.executeBatch();
        }
    }

    static void portals(int rounds) throws SQLException {
        begin("fetch size");
        try (Connection connection = connect()) {
            connection.setAutoCommit(false);
            for (int number = 0; number < rounds; number++) {
                call(4);
                walk(connection, "select id, name from item order by id", Integer.MAX_VALUE);
                walk(connection, "select id from item where id > 100 order by id", 150);
                connection.commit();
            }
        }
    }

    static void walk(Connection connection, String sql, int most) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            statement.setFetchSize(100);
            try (ResultSet rows = statement.executeQuery()) {
                for (int seen = 0; seen < most && rows.next(); seen++) {
                    rows.getInt(1);
                }
            }
        }
    }

    static void copies(int rounds) throws Exception {
        begin("copy");
        try (Connection connection = connect()) {
            var copy = connection.unwrap(PGConnection.class).getCopyAPI();
            for (int number = 0; number < rounds; number++) {
                call(2);
                copy.copyIn("copy event (item, body) from stdin", new StringReader("1\tcopied\n".repeat(200)));
                copy.copyOut("copy (select id, name from item) to stdout (format csv)", new StringWriter());
            }
        }
    }

    static void durations() throws SQLException {
        try (Connection connection = connect("prepareThreshold", "1")) {
            fillAndRun(connection, "select 'warm'");
            for (Object[] length : LENGTHS) {
                try (PreparedStatement statement = connection.prepareStatement((String) length[1])) {
                    for (int i = 0; i < (int) length[2]; i++) {
                        long began = System.nanoTime();
                        statement.execute();
                        long ended = System.nanoTime();
                        System.out.println("took " + began + " " + ended + " " + length[0]);
                    }
                }
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        if (env("WIRE_WHAT", "calls").equals("durations")) {
            durations();
        } else {
            thresholds(CALLS / 40);
            autosave(CALLS / 40);
            batches(CALLS / 400);
            portals(CALLS / 200);
            copies(CALLS / 200);
        }
        String modes = MODES.entrySet().stream()
                .map(entry -> "\"" + entry.getKey() + "\": " + entry.getValue())
                .collect(Collectors.joining(", "));
        int calls = MODES.values().stream().mapToInt(Integer::intValue).sum();
        System.out.printf(
                "{\"driver\": \"pgjdbc\", \"version\": \"%s\", \"calls\": %d, \"errors\": %d, \"empty\": %d, \"modes\": {%s}}%n",
                org.postgresql.util.DriverInfo.DRIVER_VERSION, calls, errors, empty, modes);
    }
}
