// The rig of HikariCP: a web server with a pool of threads that borrows from a real pool, and the truth about
// each borrower.
//
// A page says how long everything takes: `ms` the query (for `/tx` and `/held` halved round a pause of `gap`),
// `pre` before the pool is asked, `post` after the connection is back; all in milliseconds.
// GET /truth   `S at used idle waiting total` each 10 ms by the library's own count;
//              `B asked got back route end` for each borrower. Nanoseconds of CLOCK_MONOTONIC.

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import com.zaxxer.hikari.HikariPoolMXBean;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;
import java.util.HashMap;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executors;

public class RigHikari {
    static final Queue<String> ROWS = new ConcurrentLinkedQueue<>();
    static HikariDataSource pool;

    interface Work {
        void on(Connection connection) throws Exception;
    }

    static String env(String name, String otherwise) {
        return System.getenv().getOrDefault(name, otherwise);
    }

    static HikariDataSource open() {
        HikariConfig config = new HikariConfig();
        String place = env("PGHOST", "") + ":" + env("PGPORT", "5432") + "/" + env("PGDATABASE", "");
        config.setJdbcUrl("jdbc:postgresql://" + place + "?gssEncMode=disable&sslmode=" + env("PGSSLMODE", "disable"));
        config.setUsername(env("PGUSER", ""));
        config.setMaximumPoolSize(Integer.parseInt(env("POOL", "10")));
        // The name under which Spring Boot reads it.
        config.setMinimumIdle(Integer.parseInt(env("SPRING_DATASOURCE_HIKARI_MINIMUM_IDLE", env("POOL", "10"))));
        config.setConnectionTimeout(Long.parseLong(env("ACQUIRE_TIMEOUT_MS", "30000")));
        return new HikariDataSource(config);
    }

    static void sample() {
        HikariPoolMXBean own = pool.getHikariPoolMXBean();
        while (true) {
            pause(10);
            ROWS.add("S " + System.nanoTime() + " " + own.getActiveConnections() + " " + own.getIdleConnections() + " "
                + own.getThreadsAwaitingConnection() + " " + own.getTotalConnections());
        }
    }

    static void pause(double ms) {
        try {
            Thread.sleep((long) ms, (int) (ms % 1 * 1e6));
        } catch (InterruptedException ended) {
            Thread.currentThread().interrupt();
        }
    }

    static void borrow(String route, Work work) throws Exception {
        long asked = System.nanoTime();
        Connection connection;
        try {
            connection = pool.getConnection();
        } catch (SQLException error) {
            String end = error instanceof SQLTransientConnectionException ? "timeout" : "error";
            ROWS.add("B " + asked + " " + System.nanoTime() + " 0 " + route + " " + end);
            throw error;
        }
        long got = System.nanoTime();
        try {
            work.on(connection);
        } finally {
            connection.close();
            ROWS.add("B " + asked + " " + got + " " + System.nanoTime() + " " + route + " ok");
        }
    }

    static void query(Connection connection, double ms) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement("select pg_sleep(?)")) {
            statement.setDouble(1, ms / 1000);
            statement.executeQuery().close();
        }
    }

    static void halves(Connection connection, double ms, double gap) throws SQLException {
        query(connection, ms / 2);
        pause(gap);
        query(connection, ms / 2);
    }

    static void transaction(Connection connection, double ms, double gap) throws SQLException {
        connection.setAutoCommit(false);
        halves(connection, ms, gap);
        connection.commit();
        connection.setAutoCommit(true);
    }

    static boolean shape(String route, double ms, double gap) throws Exception {
        switch (route) {
            case "none" -> pause(ms);
            case "plain" -> borrow(route, connection -> query(connection, ms));
            case "tx" -> borrow(route, connection -> transaction(connection, ms, gap));
            case "held" -> borrow(route, connection -> halves(connection, ms, gap));
            case "two" -> borrow(route, connection -> {
                query(connection, ms / 2);
                borrow("two-second", other -> query(other, ms / 2));
            });
            default -> {
                return false;
            }
        }
        return true;
    }

    static Map<String, Double> arguments(String query) {
        Map<String, Double> found = new HashMap<>();
        for (String pair : query == null ? new String[0] : query.split("&")) {
            String[] parts = pair.split("=", 2);
            found.put(parts[0], Double.parseDouble(parts[1]));
        }
        return found;
    }

    static void answer(HttpExchange exchange) throws IOException {
        String route = exchange.getRequestURI().getPath().substring(1);
        if (route.equals("truth")) {
            send(exchange, 200, String.join("\n", ROWS) + "\n");
            return;
        }
        Map<String, Double> given = arguments(exchange.getRequestURI().getQuery());
        try {
            pause(given.getOrDefault("pre", 0.0));
            boolean known = shape(route, given.getOrDefault("ms", 0.0), given.getOrDefault("gap", 0.0));
            pause(given.getOrDefault("post", 0.0));
            send(exchange, known ? 200 : 404, known ? "ok" : "no such page");
        } catch (Exception error) {
            send(exchange, 503, error.toString());
        }
    }

    static void send(HttpExchange exchange, int status, String text) throws IOException {
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(status, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    public static void main(String[] arguments) throws Exception {
        pool = open();
        Thread sampler = new Thread(RigHikari::sample);
        sampler.setDaemon(true);
        sampler.start();
        int port = Integer.parseInt(env("PORT", "0"));
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 2048);
        server.setExecutor(Executors.newFixedThreadPool(Integer.parseInt(env("THREADS", "128"))));
        server.createContext("/", RigHikari::answer);
        server.start();
        System.out.println("listening " + server.getAddress().getPort());
    }
}
