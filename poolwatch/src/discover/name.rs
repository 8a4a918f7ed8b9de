//! How a process is called: its executable's name, for interpreters the script, module, jar or class.
//!
//! The executable's path and the argument words come in, one short name goes out. No other argument
//! leaves: passwords stand among them.

/// What to know of an interpreter's options to find the program among the words.
struct Grammar {
    /// The executable's name without its version.
    names: &'static [&'static str],
    /// Letters after which the program itself stands in the arguments: there is no file.
    code: &'static str,
    /// Letters whose value names the program.
    program: &'static str,
    /// Letters that take the rest of the word, or else the next word.
    value: &'static str,
    /// Letters that take the rest of the word only.
    rest: &'static str,
    /// Long options that take the next word.
    long: &'static [&'static str],
}

const GRAMMARS: [Grammar; 5] = [
    Grammar {
        names: &["python", "pypy"],
        code: "c",
        program: "m",
        value: "WX",
        rest: "",
        long: &["--check-hash-based-pycs"],
    },
    Grammar {
        names: &["node", "nodejs"],
        code: "ep",
        program: "",
        value: "rC",
        rest: "",
        long: &["--require", "--import", "--loader", "--experimental-loader", "--conditions", "--env-file"],
    },
    Grammar { names: &["ruby"], code: "e", program: "", value: "rICE", rest: "FKTWix", long: &[] },
    Grammar { names: &["perl"], code: "eE", program: "", value: "I", rest: "CDFMdimVx", long: &[] },
    Grammar { names: &["php"], code: "rBREF", program: "f", value: "cdtzS", rest: "", long: &[] },
];

/// Options of `java` that take the next word.
const JAVA_VALUES: [&str; 15] = [
    "-cp",
    "-classpath",
    "--class-path",
    "-p",
    "--module-path",
    "--upgrade-module-path",
    "--add-modules",
    "--limit-modules",
    "--add-exports",
    "--add-opens",
    "--add-reads",
    "--patch-module",
    "--source",
    "-d",
    "--describe-module",
];

/// The name of the process with this executable (a name without directories) and these arguments,
/// the zeroth included.
pub(super) fn name(executable: &str, words: &[String]) -> String {
    let interpreter = without_version(executable);
    let Some(program) = Program::of(interpreter) else {
        return executable.to_owned();
    };
    let titled: Vec<String>;
    let words = match words {
        // A process that gave itself a title has it in one word, with spaces.
        [title] if title.contains(' ') => {
            titled = title.split(' ').map(str::to_owned).collect();
            &titled
        }
        _ => words,
    };
    let Some((first, rest)) = words.split_first() else {
        return executable.to_owned();
    };
    let first = file_name(first).trim_end_matches(':');
    if rest.is_empty() || Program::of(without_version(first)).is_none() {
        return own_title(first, interpreter).unwrap_or(executable).to_owned();
    }
    match program.find(rest) {
        Some(found) if !found.is_empty() => found.to_owned(),
        _ => executable.to_owned(),
    }
}

/// A title such as `puma` or `gunicorn` is a better name than the interpreter's.
fn own_title<'a>(first: &'a str, interpreter: &str) -> Option<&'a str> {
    (!first.is_empty() && without_version(first) != interpreter).then_some(first)
}

/// `python3.11` → `python`
fn without_version(executable: &str) -> &str {
    executable.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-')
}

/// What stands after the last slash; nothing for a path that ends in one.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// How the program is found among the words.
enum Program {
    Java,
    Script(&'static Grammar),
}

impl Program {
    fn of(interpreter: &str) -> Option<Self> {
        if interpreter == "java" {
            return Some(Self::Java);
        }
        GRAMMARS.iter().find(|grammar| grammar.names.contains(&interpreter)).map(Self::Script)
    }

    fn find<'a>(&self, words: &'a [String]) -> Option<&'a str> {
        match self {
            Self::Java => java(words),
            Self::Script(grammar) => grammar.find(words),
        }
    }
}

/// What one option means for the words that follow.
enum Step<'a> {
    /// It stands alone.
    Alone,
    /// It takes the next word.
    TakesNext,
    /// The next word is the program.
    ProgramNext,
    /// This is the program.
    Program(&'a str),
    /// There is no program file.
    Inline,
}

impl Grammar {
    fn find<'a>(&self, words: &'a [String]) -> Option<&'a str> {
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let step = match word.strip_prefix('-') {
                None => return Some(file_name(word)),
                Some("-") => return words.next().map(file_name),
                Some("") => Step::Inline,
                Some(long) if long.starts_with('-') => self.long(word),
                Some(letters) => self.letters(letters),
            };
            match step {
                Step::Alone => {}
                Step::TakesNext => _ = words.next()?,
                Step::ProgramNext => return words.next().map(file_name),
                Step::Program(program) => return Some(file_name(program)),
                Step::Inline => return None,
            }
        }
        None
    }

    fn long(&self, word: &str) -> Step<'static> {
        match word {
            "--eval" | "--print" => Step::Inline,
            _ if self.long.contains(&word) => Step::TakesNext,
            _ => Step::Alone,
        }
    }

    fn letters<'a>(&self, letters: &'a str) -> Step<'a> {
        for (at, letter) in letters.char_indices() {
            let rest = letters.get(at + letter.len_utf8()..).unwrap_or("");
            if self.code.contains(letter) {
                return Step::Inline;
            }
            if self.program.contains(letter) {
                return if rest.is_empty() { Step::ProgramNext } else { Step::Program(rest) };
            }
            if self.value.contains(letter) {
                return if rest.is_empty() { Step::TakesNext } else { Step::Alone };
            }
            if self.rest.contains(letter) {
                return Step::Alone;
            }
        }
        Step::Alone
    }
}

/// The jar, module or main class; a source file by its name.
fn java(words: &[String]) -> Option<&str> {
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "-jar" => return words.next().map(file_name),
            "-m" | "--module" => return words.next().map(module),
            _ if JAVA_VALUES.contains(&word) => _ = words.next()?,
            _ if word.starts_with("--module=") => return word.strip_prefix("--module=").map(module),
            _ if word.starts_with('-') || word.starts_with('@') => {}
            _ if word.to_ascii_lowercase().ends_with(".java") => return Some(file_name(word)),
            _ => return Some(word),
        }
    }
    None
}

/// `module/class` → `module`
fn module(word: &str) -> &str {
    word.split('/').next().unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(executable: &str, line: &[&str], expected: &str) {
        let words: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(name(executable, &words), expected, "{executable} {line:?}");
    }

    #[test]
    fn an_executable_is_called_by_its_own_name() {
        check("psql", &["psql", "-h", "db"], "psql");
        check("pgbouncer", &["/usr/sbin/pgbouncer", "-d", "/etc/pgbouncer.ini"], "pgbouncer");
        check("php-fpm8.2", &["php-fpm: pool www"], "php-fpm8.2");
        check("gone", &[], "gone");
    }

    #[test]
    fn python_is_called_by_script_or_module() {
        check("python3.11", &["python3", "/srv/app/worker.py", "--verbose"], "worker.py");
        check("python3.11", &["python3", "-u", "-X", "dev", "-W", "error", "a.py"], "a.py");
        check("python3.11", &["python3", "-Wignore", "a.py"], "a.py");
        check("python3.11", &["python", "-m", "uvicorn", "app:app"], "uvicorn");
        check("python3.11", &["python", "-um", "http.server"], "http.server");
        check("python3.11", &["/venv/bin/python", "/venv/bin/gunicorn", "app:app"], "gunicorn");
        check("python3.11", &["python3", "-c", "secret()"], "python3.11");
        check("python3.11", &["python3", "-Ic", "secret()"], "python3.11");
        check("python3.11", &["python3"], "python3.11");
        check("python3.11", &["python3", "-"], "python3.11");
    }

    #[test]
    fn node_is_called_by_its_script() {
        check("node", &["node", "--max-old-space-size=4096", "/app/server.js"], "server.js");
        check("node", &["node", "-r", "dotenv/config", "--import", "./otel.mjs", "dist/main.js"], "main.js");
        check("node", &["node", "--enable-source-maps", "--", "-odd.js"], "-odd.js");
        check("node", &["node", "-e", "secret()"], "node");
        check("node", &["node", "-pe", "secret()"], "node");
        check("node", &["node", "--eval", "secret()"], "node");
    }

    #[test]
    fn ruby_perl_and_php_are_called_by_their_script() {
        check("ruby3.1", &["ruby", "-I", "lib", "-rbundler/setup", "bin/rails", "server"], "rails");
        check("ruby3.1", &["ruby", "-Ilib", "-W0", "-S", "rake"], "rake");
        check("perl", &["perl", "-w", "-Mstrict", "-I", "lib", "/opt/job.pl"], "job.pl");
        check("perl", &["/usr/bin/perl", "-lne", "print"], "perl");
        check("php8.2", &["php", "-d", "memory_limit=1G", "artisan", "queue:work"], "artisan");
        check("php8.2", &["php", "-f", "/srv/job.php"], "job.php");
        check("php8.2", &["php", "-S", "0.0.0.0:80", "-t", "public"], "php8.2");
    }

    #[test]
    fn java_is_called_by_jar_module_or_class() {
        check("java", &["java", "-Xmx1g", "-Dpassword=x", "-jar", "/opt/shop.jar", "serve"], "shop.jar");
        check("java", &["java", "-cp", "a.jar:b.jar", "com.example.Main", "x"], "com.example.Main");
        check(
            "java",
            &["java", "-p", "mods", "--add-modules", "ALL-SYSTEM", "-m", "shop/com.example.Main"],
            "shop",
        );
        check("java", &["java", "--module=shop/com.example.Main"], "shop");
        check("java", &["java", "--add-opens", "java.base/java.lang=ALL-UNNAMED", "Main"], "Main");
        check("java", &["java", "@args", "src/Srv.java"], "Srv.java");
        check("java", &["java", "-version"], "java");
    }

    #[test]
    fn a_title_that_the_process_gave_itself_is_its_name() {
        check("ruby3.1", &["puma 6.4.0 (tcp://0.0.0.0:3000) [shop]"], "puma");
        check("ruby3.1", &["puma: cluster worker 0: 42 [shop]"], "puma");
        check("python3.11", &["gunicorn: worker [shop]"], "gunicorn");
        check("node", &["node /app/server.js"], "server.js");
        check("node", &["shop"], "shop");
    }
}
