//! Proxies: a company's is used where variables name one; it learns the names of servers, never what is said to them.

#![expect(clippy::unwrap_used, reason = "a test's own helper may fail it")]

use keyferry_tests::server::Served;
use keyferry_tests::{Scene, finish};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

/// A proxy that lets nobody through; its address, and what it is asked for.
fn closed_proxy() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (asked, told) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let lines =
                BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
            let head = lines.collect::<Vec<_>>().join("\n");
            let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
            let _ = asked.send(head);
        }
    });
    (url, told)
}

const VARIABLES: [&str; 6] =
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];

#[test]
fn a_server_on_this_machine_is_asked_without_a_proxy() {
    let scene = Scene::new();
    let served = Served::new(&scene, "a", "off");
    let (proxy, told) = closed_proxy();
    for url in [served.url.clone(), served.url.replace("127.0.0.1", "localhost")] {
        let mut command = served.command(&scene, &["ls", &url]);
        command.envs(VARIABLES.map(|name| (name, &proxy)));
        finish(command).succeeds();
    }
    assert!(told.try_recv().is_err(), "it went by way of the proxy");
}

#[test]
fn a_proxy_learns_the_name_of_a_server_and_no_token() {
    let scene = Scene::new();
    let (proxy, told) = closed_proxy();
    let mut command = scene.command(&["ls", "https://passwork.invalid"]);
    command.env("KEYFERRY_TOKEN", "planted-token").env("HTTPS_PROXY", &proxy);
    finish(command).exits(6).hides("planted-token");
    let head = told.recv().unwrap();
    assert!(head.starts_with("CONNECT passwork.invalid:443 "), "{head}");
    assert!(!head.contains("planted-token"), "{head}");
    // Where NO_PROXY names the server, the proxy is not asked.
    let (proxy, told) = closed_proxy();
    let mut command = scene.command(&["ls", "https://passwork.invalid"]);
    command.envs([
        ("KEYFERRY_TOKEN", "planted-token"),
        ("HTTPS_PROXY", &proxy),
        ("NO_PROXY", "passwork.invalid"),
    ]);
    finish(command).exits(6);
    assert!(told.try_recv().is_err(), "it was asked all the same");
}
