//! Names that frameworks and servers have defined: what each says, and in which unit.
//!
//! A variable, a property or an option comes in by its name and value, a number goes out. Names are compared
//! without case and without what stands between their words: Spring and Quarkus take `MAXIMUM_POOL_SIZE`,
//! `MAXIMUMPOOLSIZE` and `maximum-pool-size` for the same, and so do the others where they allow several.

use super::{
    number::{Unit, number},
    said::Number,
};

/// One name: how it begins and ends, by its letters and digits in lower case.
struct Name {
    begins: &'static str,
    ends: &'static str,
    number: Number,
    unit: Unit,
}

const fn name(begins: &'static str, ends: &'static str, number: Number, unit: Unit) -> Name {
    Name { begins, ends, number, unit }
}

/// Every such name.
const NAMES: &[Name] = {
    use Number::{ConnectionTimeout, IdleTimeout, Max, Min, Overflow, Size};
    use Unit::{Count, Milliseconds, Seconds};
    &[
        // HikariCP, by Spring Boot (of any data source), Hibernate and others: milliseconds.
        // <https://github.com/brettwooldridge/HikariCP#gear-configuration-knobs-baby>
        // Both spellings: <https://github.com/spring-projects/spring-boot/blob/0128fc4b3039857b801eedb84fae1ec73f279ad0/spring-boot-project/spring-boot/src/main/java/org/springframework/boot/context/properties/source/SystemEnvironmentPropertyMapper.java>
        name("", "hikarimaximumpoolsize", Max, Count),
        name("", "hikariminimumidle", Min, Count),
        name("", "hikariidletimeout", IdleTimeout, Milliseconds),
        name("", "hikariconnectiontimeout", ConnectionTimeout, Milliseconds),
        // Spring Boot's other pools; R2DBC's are durations, a bare number is milliseconds.
        // <https://docs.spring.io/spring-boot/appendix/application-properties/index.html#appendix.application-properties.data>
        name("", "datasourcetomcatmaxactive", Max, Count),
        name("", "datasourcetomcatminidle", Min, Count),
        name("", "datasourcetomcatmaxwait", ConnectionTimeout, Milliseconds),
        name("", "datasourcedbcp2maxtotal", Max, Count),
        name("", "datasourcedbcp2minidle", Min, Count),
        name("", "datasourcedbcp2maxwaitmillis", ConnectionTimeout, Milliseconds),
        name("", "r2dbcpoolmaxsize", Max, Count),
        name("", "r2dbcpoolminidle", Min, Count),
        name("", "r2dbcpoolmaxidletime", IdleTimeout, Milliseconds),
        name("", "r2dbcpoolmaxacquiretime", ConnectionTimeout, Milliseconds),
        // Quarkus, also of named data sources; a bare number is seconds.
        // <https://quarkus.io/guides/datasource#configuration-reference>
        // <https://github.com/quarkusio/quarkus/blob/157f5a69fe6dc15c938e01c69ae5db9d0a627306/core/runtime/src/main/java/io/quarkus/runtime/configuration/DurationConverter.java>
        name("quarkusdatasource", "jdbcmaxsize", Max, Count),
        name("quarkusdatasource", "jdbcminsize", Min, Count),
        name("quarkusdatasource", "jdbcidleremovalinterval", IdleTimeout, Seconds),
        name("quarkusdatasource", "jdbcacquisitiontimeout", ConnectionTimeout, Seconds),
        name("quarkusdatasource", "reactivemaxsize", Max, Count),
        name("quarkusdatasource", "reactiveidletimeout", IdleTimeout, Seconds),
        // SQLAlchemy, as Flask-SQLAlchemy, Airflow and many applications call its arguments. An overflow is
        // always there (10 if nothing else is said), so that a size alone tells no maximum.
        // <https://docs.sqlalchemy.org/en/20/core/engines.html#sqlalchemy.create_engine.params.max_overflow>
        // <https://airflow.apache.org/docs/apache-airflow/stable/configurations-ref.html#sql-alchemy-max-overflow>
        name("", "sqlalchemypoolsize", Size, Count),
        name("", "sqlalchemymaxoverflow", Overflow, Count),
        name("", "sqlalchemypooltimeout", ConnectionTimeout, Seconds),
        name("", "sqlalchemyenginepoolsize", Size, Count),
        name("", "sqlalchemyenginemaxoverflow", Overflow, Count),
        // postgres.js: each of its options is also a variable with PG before it.
        // <https://github.com/porsager/postgres/blob/00ada4bce6f9846645e8fe94d6daf9e156f26e04/src/index.js>
        name("pgmax", "pgmax", Max, Count),
        name("pgidletimeout", "pgidletimeout", IdleTimeout, Seconds),
        // PostgREST. <https://docs.postgrest.org/en/v12/references/configuration.html#db-pool>
        name("pgrst", "dbpool", Max, Count),
        name("pgrst", "dbpoolacquisitiontimeout", ConnectionTimeout, Seconds),
        name("pgrst", "dbpoolmaxidletime", IdleTimeout, Seconds),
        // Keycloak. <https://www.keycloak.org/server/all-config#category-database>
        name("kc", "kcdbpoolmaxsize", Max, Count),
        name("kc", "kcdbpoolminsize", Min, Count),
        // n8n. <https://docs.n8n.io/hosting/configuration/environment-variables/database/>
        name("dbpostgresdb", "poolsize", Max, Count),
        name("dbpostgresdb", "dbpostgresdbconnectiontimeout", ConnectionTimeout, Milliseconds),
        name("dbpostgresdb", "idleconnectiontimeout", IdleTimeout, Milliseconds),
        // Vert.x and Micronaut call HikariCP's options without its name.
        // <https://micronaut-projects.github.io/micronaut-sql/latest/guide/#jdbc-connection-pools>
        name("datasources", "maximumpoolsize", Max, Count),
        name("datasources", "minimumidle", Min, Count),
        name("datasources", "connectiontimeout", ConnectionTimeout, Milliseconds),
    ]
};

/// The longest name that is looked at: a data source's own name may stand within it.
const LONGEST: usize = 200;

/// What a framework's name says.
pub(super) fn named(name: &str, value: &str) -> Option<(Number, i64)> {
    if name.len() > LONGEST {
        return None;
    }
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let found = NAMES.iter().find(|known| plain.starts_with(known.begins) && plain.ends_with(known.ends))?;
    Some((found.number, number(value, found.unit)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str, expected: Option<(Number, i64)>) {
        assert_eq!(named(name, value), expected, "{name}={value}");
    }

    #[test]
    fn hikari_in_every_spelling() {
        for name in [
            "SPRING_DATASOURCE_HIKARI_MAXIMUM_POOL_SIZE",
            "SPRING_DATASOURCE_HIKARI_MAXIMUMPOOLSIZE",
            "SPRING_DATASOURCE_HIKARI_MAXIMUM-POOL-SIZE",
            "spring.datasource.hikari.maximum-pool-size",
            "spring.datasource.hikari.maximumPoolSize",
            "spring.datasource.orders.hikari.maximum_pool_size",
            "hibernate.hikari.maximumPoolSize",
        ] {
            check(name, "12", Some((Number::Max, 12)));
            check(name, "-1", Some((Number::Max, -1)));
            check(name, "${DB_POOL:12}", None);
        }
        check("SPRING_DATASOURCE_HIKARI_MINIMUM_IDLE", "3", Some((Number::Min, 3)));
        check("SPRING_DATASOURCE_HIKARI_IDLETIMEOUT", "600000", Some((Number::IdleTimeout, 600_000)));
        check("SPRING_DATASOURCE_HIKARI_CONNECTION_TIMEOUT", "250", Some((Number::ConnectionTimeout, 250)));
        check("SPRING_DATASOURCE_HIKARI_MAX_LIFETIME", "1800000", None);
        check("SPRING_DATASOURCE_HIKARI_MAXIMUM_POOL_SIZE_NOTE", "12", None);
    }

    #[test]
    fn the_other_pools_of_java() {
        check("SPRING_DATASOURCE_TOMCAT_MAX_ACTIVE", "50", Some((Number::Max, 50)));
        check("spring.datasource.dbcp2.max-total", "9", Some((Number::Max, 9)));
        check("SPRING_R2DBC_POOL_MAX_SIZE", "9", Some((Number::Max, 9)));
        check("SPRING_R2DBC_POOL_MAXACQUIRETIME", "5s", Some((Number::ConnectionTimeout, 5000)));
        check("QUARKUS_DATASOURCE_JDBC_MAX_SIZE", "16", Some((Number::Max, 16)));
        check("QUARKUS_DATASOURCE_JDBC_MIN_SIZE", "2", Some((Number::Min, 2)));
        check("QUARKUS_DATASOURCE__ORDERS__JDBC_MAX_SIZE", "16", Some((Number::Max, 16)));
        check("QUARKUS_DATASOURCE_JDBC_ACQUISITION_TIMEOUT", "5", Some((Number::ConnectionTimeout, 5000)));
        check("quarkus.datasource.reactive.idle-timeout", "PT1M", Some((Number::IdleTimeout, 60_000)));
        check("JDBC_MAX_SIZE", "16", None);
        check("DATASOURCES_DEFAULT_MAXIMUM_POOL_SIZE", "8", Some((Number::Max, 8)));
    }

    #[test]
    fn the_names_of_others() {
        check("SQLALCHEMY_POOL_SIZE", "5", Some((Number::Size, 5)));
        check("SQLALCHEMY_MAX_OVERFLOW", "-1", Some((Number::Overflow, -1)));
        check("AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE", "5", Some((Number::Size, 5)));
        check("SQLALCHEMY_POOL_TIMEOUT", "30", Some((Number::ConnectionTimeout, 30_000)));
        check("SQLALCHEMY_POOL_RECYCLE", "1800", None);
        check("PGMAX", "4", Some((Number::Max, 4)));
        check("PGIDLE_TIMEOUT", "20", Some((Number::IdleTimeout, 20_000)));
        check("XPGMAX", "4", None);
        check("PGRST_DB_POOL", "10", Some((Number::Max, 10)));
        check("PGRST_DB_POOL_ACQUISITION_TIMEOUT", "10", Some((Number::ConnectionTimeout, 10_000)));
        check("KC_DB_POOL_MAX_SIZE", "100", Some((Number::Max, 100)));
        check("DB_POSTGRESDB_CONNECTION_TIMEOUT", "20", Some((Number::ConnectionTimeout, 20)));
    }
}
