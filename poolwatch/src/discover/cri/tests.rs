//! Runtimes that are not there, do not answer, or speak something else. One that answers is in `tests/kernel/containers.rs`.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixListener,
    path::PathBuf,
    thread,
};

use super::*;
use crate::discover::tests::Directory;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn container() -> Container {
    Container { id: "a".into(), keeper: Keeper::Kubernetes }
}

/// What is answered to the first listing and to a question.
fn answers(socket: PathBuf) -> (Option<Answer>, Option<Answer>) {
    runtime().block_on(async {
        let mut lookup = Lookup::start(Cri::At(socket));
        let first = lookup.first(Duration::from_secs(20)).await;
        assert!(lookup.ask(&container()));
        (first, lookup.first(Duration::from_secs(20)).await)
    })
}

fn failed() -> (Option<Answer>, Option<Answer>) {
    (Some(Answer::Failed(None)), Some(Answer::Failed(Some("a".into()))))
}

#[test]
fn a_socket_that_is_not_there_is_no_runtime() {
    let directory = Directory::new();
    assert_eq!(answers(directory.0.join("none.sock")), failed());
    assert_eq!(runtime().block_on(survey(&Cri::At("/nowhere/none.sock".into()))).unwrap(), None);
    assert_eq!(runtime().block_on(survey(&Cri::Off)).unwrap(), None);
}

#[test]
fn a_dead_socket_is_no_runtime() {
    let directory = Directory::new();
    let path = directory.0.join("dead.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert_eq!(answers(path.clone()), failed());
    let error = runtime().block_on(survey(&Cri::At(path))).unwrap_err().to_string();
    assert!(error.contains("Connection refused"), "{error}");
}

#[test]
fn who_never_answers_is_not_waited_for() {
    let directory = Directory::new();
    let path = directory.0.join("silent.sock");
    let _silent = UnixListener::bind(&path).unwrap();
    let error = runtime().block_on(survey(&Cri::At(path))).unwrap_err().to_string();
    assert!(error.contains("no answer in 2s"), "{error}");
}

#[test]
fn who_speaks_something_else_is_no_runtime() {
    let directory = Directory::new();
    let path = directory.0.join("other.sock");
    let other = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for stream in other.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    assert!(runtime().block_on(survey(&Cri::At(path))).is_err());
}
