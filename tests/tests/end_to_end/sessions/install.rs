//! What `make install-cli` puts where, and that it is whole.

use keyferry_tests::Scene;
use std::path::Path;
use std::process::Command;

#[test]
fn an_installed_command_line_has_its_pages_completions_and_link() {
    let scene = Scene::new();
    let keyferry = scene.command(&[]).get_program().to_owned();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/install.sh");
    let place = scene.path("root");
    let done = Command::new(script).arg(&keyferry).arg(&place).arg("/usr").output().unwrap();
    assert!(done.status.success() && done.stdout.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
    let bin = place.join("usr/bin");
    assert_eq!(std::fs::read_link(bin.join("passwork-cli")).unwrap(), Path::new("keyferry"));
    let version = Command::new(bin.join("keyferry")).arg("--version").output().unwrap();
    assert!(version.status.success());
    let share = place.join("usr/share");
    let read = |name: &str| std::fs::read_to_string(share.join(name)).unwrap();
    for page in ["keyferry.1", "keyferry-migrate.1", "keyferry-env-init.1", "keyferry-archive-extract.1"] {
        assert!(read(&format!("man/man1/{page}")).contains(".SH NAME"), "{page}");
    }
    // What is hidden from the help has no page.
    assert!(!share.join("man/man1/keyferry-program.1").exists());
    for file in [
        "bash-completion/completions/keyferry",
        "zsh/site-functions/_keyferry",
        "fish/vendor_completions.d/keyferry.fish",
    ] {
        assert!(read(file).contains("KEYFERRY_COMPLETE"), "{file}");
    }
    // Once more over what is there: an update.
    assert!(
        Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/install.sh"))
            .arg(&keyferry)
            .arg(&place)
            .arg("/usr")
            .status()
            .unwrap()
            .success()
    );
}
