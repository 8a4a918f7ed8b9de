//! Why the agent does not start: what is wrong, where it stands, what is allowed.

use std::fmt;

/// A wrong option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where it stands: file and line, flag or variable.
    pub place: String,
    /// The key; empty where the place names it.
    pub key: String,
    /// What is wrong and what is allowed.
    pub text: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            return write!(f, "{}: {}", self.place, self.text);
        }
        write!(f, "{}: {}: {}", self.place, self.key, self.text)
    }
}

impl std::error::Error for ConfigError {}

/// The command line ends here: help was asked for, or something is wrong.
#[derive(Debug)]
pub enum Stop {
    /// Help, the version, or arguments that cannot be read.
    Arguments(Box<clap::Error>),
    /// A wrong option.
    Config(ConfigError),
}

impl Stop {
    /// Tells the user, and gives the exit code: 0 after help, 2 after a mistake.
    pub fn tell(&self) -> u8 {
        match self {
            Self::Arguments(error) => {
                // Nobody is left to be told when the terminal is gone.
                let _ = error.print();
                u8::try_from(error.exit_code()).unwrap_or(2)
            }
            Self::Config(error) => {
                eprintln!("error: {error}");
                2
            }
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arguments(error) => error.fmt(f),
            Self::Config(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Stop {}

impl From<clap::Error> for Stop {
    fn from(error: clap::Error) -> Self {
        Self::Arguments(Box::new(error))
    }
}

impl From<ConfigError> for Stop {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}
