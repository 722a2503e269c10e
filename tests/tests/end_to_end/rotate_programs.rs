//! Targets that programs change: the user's own, a Linux account, an SSH key.

#![cfg(unix)]
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot be set up says so, or fails"
)]

use keyferry_tests::lab::Lab;
use keyferry_tests::target::free_port;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A target in a file: its whole content is the secret that works.
const BY_INPUT: &str = r#"#!/usr/bin/env python3
import json, os, sys
secrets = json.load(sys.stdin)
place = sys.argv[1]
assert not any(secret in word for secret in secrets.values() for word in sys.argv)
match os.environ["KEYFERRY_ACTION"]:
    case "check":
        sys.exit(0 if open(place).read() == secrets["secret"] else 1)
    case "add":
        assert os.environ["KEYFERRY_LOGIN"] == "app" and secrets["current"] == open(place).read()
        open(place, "w").write(secrets["new"])
    case "only":
        open(place, "w").write(secrets["kept"])
"#;

const BY_VARIABLES: &str = r#"#!/bin/sh
[ -z "$KEYFERRY_MASTER_PASSWORD$KEYFERRY_LAB_MASTER_PASSWORD" ] || exit 9
case $KEYFERRY_ACTION in
    check) [ "$(cat "$1")" = "$KEYFERRY_SECRET" ] || exit 1 ;;
    add) printf %s "$KEYFERRY_NEW" > "$1" ;;
    only) printf %s "$KEYFERRY_KEPT" > "$1" ;;
esac
"#;

fn program(lab: &Lab, name: &str, text: &str) -> String {
    let path = lab.scene.path(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_program_gets_secrets_by_input_or_variables_and_never_by_arguments() {
    let lab = Lab::new(&[("r", "app", "planted-program", "vault.example", "")]);
    let target = lab.scene.path("target");
    std::fs::write(&target, "planted-program").unwrap();
    let held = || {
        let held = lab.held("r");
        assert_eq!(std::fs::read_to_string(&target).unwrap(), held);
        held
    };
    let by_input = program(&lab, "by-input", BY_INPUT);
    lab.rotate("r", &["--exec", &by_input, "target"]).succeeds();
    let first = held();
    let by_variables = program(&lab, "by-variables", BY_VARIABLES);
    lab.rotate("r", &["--pass", "env", "--exec", &by_variables, "target"]).succeeds().hides(&first);
    let second = held();
    assert!(first != "planted-program" && second != first);
    // A program that takes any secret checks nothing; one that is missing cannot be asked.
    let careless = program(&lab, "careless", "#!/bin/sh\n");
    lab.rotate("r", &["--exec", &careless]).exits(1).says("takes any secret");
    lab.rotate("r", &["--exec", "./missing"]).exits(6).says("could not be started");
    // What counts is what works, not what a program says of itself.
    let liar = BY_VARIABLES.replace("> \"$1\" ;;\n    only", "> \"$1\"; exit 3 ;;\n    only");
    let liar = program(&lab, "liar", &liar);
    lab.rotate("r", &["--pass", "env", "--exec", &liar, "target"]).succeeds();
    let third = held();
    assert_ne!(third, second);
    // Where nothing works any more, nobody can sign in to put it right: that is said, and both secrets stay in the
    // journal, sealed, until somebody could.
    let broken = BY_VARIABLES.replace("printf %s \"$KEYFERRY_NEW\" > \"$1\"", "echo half > \"$1\"; exit 3");
    let broken = program(&lab, "broken", &broken);
    lab.rotate("r", &["--pass", "env", "--exec", &broken, "target"]).exits(1).hides(&third);
    assert_eq!(lab.held("r"), third);
    lab.resume().exits(1);
    std::fs::write(&target, &third).unwrap();
    std::fs::write(&broken, BY_VARIABLES).unwrap();
    lab.resume().succeeds();
    assert_ne!(held(), third);
}

#[test]
fn ctrl_c_lets_what_is_in_flight_end_and_begins_nothing_more() {
    let rows: Vec<_> =
        ["r1", "r2", "r3", "r4"].map(|name| (name, "app", "planted-interrupted", "", "")).into();
    let urls: Vec<String> = rows.iter().map(|row| format!("file:///{}", row.0)).collect();
    let rows: Vec<_> =
        rows.iter().zip(&urls).map(|(row, url)| (row.0, row.1, row.2, url.as_str(), row.4)).collect();
    let lab = Lab::new(&rows);
    for row in &rows {
        std::fs::write(lab.scene.path(row.0), row.2).unwrap();
    }
    let text = BY_VARIABLES.replace("#!/bin/sh\n", "#!/bin/sh\nset -- \"${KEYFERRY_URL#file:///}\" \"$1\"\n");
    let interrupting = text.replace("add)", "add) kill -INT $PPID; sleep 0.5;");
    let interrupting = program(&lab, "interrupting", &interrupting);
    let words = |program: &str| ["--pass", "env", "--parallel", "1", "--exec", program].map(str::to_owned);
    let with = words(&interrupting);
    let with: Vec<&str> = with.iter().map(String::as_str).collect();
    let run = lab.rotate("", &with);
    run.exits(130).says("to go on: keyferry resume");
    let changed = || rows.iter().filter(|row| lab.held(row.0) != row.2).count();
    assert_eq!(changed(), 1, "{}", run.whole());
    std::fs::write(&interrupting, &text).unwrap();
    lab.resume().succeeds();
    assert_eq!(changed(), 4);
    for row in &rows {
        assert_eq!(std::fs::read_to_string(lab.scene.path(row.0)).unwrap(), lab.held(row.0));
    }
}

/// A throw-away account, removed when dropped.
struct Account(String);

impl Account {
    fn new(kind: &str, password: &str) -> Option<Self> {
        let root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").ok()?) == 0;
        if !root || !Path::new("/usr/sbin/useradd").exists() {
            println!("SKIPPED: accounts are made by root, with useradd");
            return None;
        }
        let account = Self(format!("kf{kind}{}", std::process::id()));
        let made = Command::new("/usr/sbin/useradd")
            .args(["-M", "-N", "-s", "/bin/sh", &account.0])
            .status()
            .unwrap();
        assert!(made.success());
        let mut set = Command::new("/usr/sbin/chpasswd").stdin(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(
            &mut set.stdin.take().unwrap(),
            format!("{}:{password}\n", account.0).as_bytes(),
        )
        .unwrap();
        assert!(set.wait().unwrap().success());
        Some(account)
    }

    /// Its line in the file of password hashes.
    fn shadow(&self) -> String {
        let all = std::fs::read_to_string("/etc/shadow").unwrap();
        all.lines().find(|line| line.starts_with(&format!("{}:", self.0))).unwrap().to_owned()
    }

    /// Whether PAM takes this password.
    fn takes(&self, password: &str) -> bool {
        let mut check = Command::new("/usr/sbin/unix_chkpwd");
        let mut check = check.args([&self.0, "nonull"]).stdin(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut check.stdin.take().unwrap(), format!("{password}\0").as_bytes())
            .unwrap();
        check.wait().unwrap().success()
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let _ = Command::new("/usr/sbin/userdel").arg(&self.0).stderr(Stdio::null()).status();
    }
}

#[test]
fn a_linux_account_gets_a_new_password_that_pam_takes() {
    let Some(account) = Account::new("linux", "planted-linux") else { return };
    let lab = Lab::new(&[
        ("r", &account.0, "planted-linux", "linux:///", ""),
        ("no", "no-such-account", "x", "linux:///", ""),
    ]);
    let with = ["--with", "linux"];
    let first = account.shadow();
    lab.rotate("r", &with).succeeds().hides("planted-linux");
    assert_ne!(account.shadow(), first);
    assert!(account.takes(&lab.held("r")) && !account.takes("planted-linux"));
    lab.rotate("no", &with).exits(1);
    for point in ["after set", "after store"] {
        let before = lab.held("r");
        assert!(lab.crashes(point, "r", &with));
        lab.resume().succeeds();
        assert!(account.takes(&lab.held("r")) && !account.takes(&before), "{point}");
    }
}

/// An SSH server for one account, that of the test itself.
struct Sshd {
    child: Child,
    port: u16,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sshd {
    /// Listens, with a home of its own for `account`'s keys.
    fn new(lab: &Lab) -> Option<Self> {
        let server = Path::new("/usr/sbin/sshd");
        if !server.exists() || !Path::new("/usr/bin/ssh-agent").exists() {
            println!("SKIPPED: OpenSSH's server is not installed; `make setup` installs it");
            return None;
        }
        let host_key = lab.scene.path("host_key");
        keygen(&host_key);
        let port = free_port();
        std::fs::create_dir_all("/run/sshd").ok()?;
        let public = std::fs::read_to_string(lab.scene.path("host_key.pub")).unwrap();
        std::fs::write(lab.scene.path("known_hosts"), format!("[127.0.0.1]:{port} {public}")).unwrap();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nPidFile none\nUsePAM no\nPasswordAuthentication no\nStrictModes no\nPermitRootLogin yes\nAuthorizedKeysFile %h/.ssh/authorized_keys\n",
            host_key.display()
        );
        std::fs::write(lab.scene.path("sshd_config"), config).unwrap();
        let child =
            Command::new(server).args(["-D", "-q", "-f"]).arg(lab.scene.path("sshd_config")).spawn().unwrap();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::yield_now();
        }
        Some(Self { child, port })
    }
}

fn keygen(file: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "planted", "-f"])
        .arg(file)
        .status();
    assert!(made.unwrap().success());
}

#[test]
fn an_ssh_key_pair_is_replaced_with_its_options_and_no_private_key_in_a_file() {
    let Some(account) = Account::new("ssh", "unused") else { return };
    let lab = Lab::new(&[]);
    let Some(sshd) = Sshd::new(&lab) else { return };
    // A home of its own.
    let home = tempfile::tempdir().unwrap();
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let run = |program: &str, words: &[&str]| {
        assert!(Command::new(program).args(words).status().unwrap().success());
    };
    run("/usr/sbin/usermod", &["-d", home.path().to_str().unwrap(), &account.0]);
    let key = lab.scene.path("key");
    keygen(&key);
    let public = std::fs::read_to_string(lab.scene.path("key.pub")).unwrap();
    std::fs::create_dir(home.path().join(".ssh")).unwrap();
    let file = home.path().join(".ssh/authorized_keys");
    let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFplaWdlbmRlckRlc0FuZGVyZW5CZW51dHplcnMx someone";
    // No end of line: a line that is appended must not run into it.
    std::fs::write(&file, format!("{other}\nno-port-forwarding {}", public.trim())).unwrap();
    run("chown", &["-R", &account.0, home.path().to_str().unwrap()]);
    let url =
        format!("ssh://127.0.0.1:{}?known_hosts={}", sshd.port, lab.scene.path("known_hosts").display());
    let secret = std::fs::read_to_string(&key).unwrap();
    lab.add(&[("r", &account.0, &secret, &url, "")]);
    let lines = || std::fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    let blob =
        |line: &str| line.split(' ').find(|word| word.starts_with("AAAA")).unwrap_or_default().to_owned();
    let held_opens = || {
        let held = lab.scene.path("held");
        std::fs::write(&held, lab.held("r")).unwrap();
        std::fs::set_permissions(&held, std::fs::Permissions::from_mode(0o600)).unwrap();
        let shown = Command::new("ssh-keygen").arg("-y").arg("-f").arg(&held).output().unwrap();
        String::from_utf8(shown.stdout).unwrap()
    };
    lab.rotate("r", &["--with", "ssh"]).succeeds().hides("OPENSSH PRIVATE KEY");
    assert_eq!(lines().len(), 2, "{:?}", lines());
    assert_eq!(lines()[0], other);
    assert!(lines()[1].starts_with("no-port-forwarding ssh-ed25519 ") && lines()[1].ends_with("planted"));
    assert_ne!(blob(&lines()[1]), blob(&public));
    assert_eq!(blob(&held_opens()), blob(&lines()[1]));
    for point in ["after set", "after store", "before retire"] {
        let before = blob(&lines()[1]);
        assert!(lab.crashes(point, "r", &["--with", "ssh"]), "{point}");
        lab.resume().succeeds();
        assert_eq!(lines().len(), 2, "{point}: {:?}", lines());
        assert!(blob(&lines()[1]) != before && blob(&held_opens()) == blob(&lines()[1]), "{point}");
    }
    // A key that the file does not know cannot be replaced.
    let stranger = lab.scene.path("stranger");
    keygen(&stranger);
    lab.add(&[("s", &account.0, &std::fs::read_to_string(&stranger).unwrap(), &url, "")]);
    lab.rotate("s", &["--with", "ssh"]).exits(5).says("does not work");
}
