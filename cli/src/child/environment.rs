//! What a child finds in its environment: ours without our own secrets, and the variables that were asked for.
//!
//! Names that somebody else chose, those of records and fields, may not become variables that change how programs
//! run: whoever can name a record could otherwise run code here. Written out by the user (`NAME=…`) they may.

use crate::exit::usage;
use crate::output::clean;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// A variable that was asked for.
#[derive(Debug)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub value: SecretString,
    /// Whose value it is, for messages: `record Infra / mysql`, `app.env, line 3`.
    pub from: String,
    /// Who chose the name.
    pub named: Named,
    /// Whether all of the value is one secret, rather than a setting or a path.
    pub secret: bool,
}

/// Who chose a variable's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// The user, here.
    ByUser,
    /// Whoever named the record or its field.
    ByRecord,
}

/// What to do where a variable exists already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Nothing is run.
    Refuse,
    /// It is replaced.
    Override,
}

/// Words in the name of a variable of ours that mark what it holds as secret, or as the way to a secret.
const OURS: &[&str] = &["TOKEN", "KEY", "PASS", "SECRET", "CODE", "SESSION"];

/// Variables by which the system, a shell, a loader or an interpreter is told what to run or whom to trust.
#[rustfmt::skip]
const DANGEROUS: &[&str] = &[
    "ALL_PROXY", "AWS_CA_BUNDLE", "BASHOPTS", "BASH_ENV", "BROWSER", "BUNDLE_GEMFILE", "CARGO_HOME", "CDPATH", "CLASSPATH", "COMSPEC",
    "CURL_CA_BUNDLE", "CURL_HOME", "DOCKER_HOST", "DOTNET_STARTUP_HOOKS", "EDITOR", "ENV", "EXINIT", "FPATH", "GCONV_PATH", "GEM_HOME", "GEM_PATH", "GETCONF_DIR",
    "GIT_ASKPASS", "GIT_DIR", "GIT_EDITOR", "GIT_EXEC_PATH", "GIT_EXTERNAL_DIFF", "GIT_PAGER",
    "GIT_PROXY_COMMAND", "GIT_SEQUENCE_EDITOR", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_TEMPLATE_DIR",
    "GLIBC_TUNABLES", "GLOBIGNORE", "GNUMAKEFLAGS", "GOFLAGS", "GRADLE_OPTS", "HOME", "HOSTALIASES", "HTTPS_PROXY", "HTTP_PROXY", "IFS", "INPUTRC", "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS", "KUBECONFIG", "LESSCLOSE", "LESSOPEN", "LOCALDOMAIN", "LOCPATH", "LOGNAME", "LUA_CPATH", "LUA_INIT",
    "LUA_PATH", "MAKEFILES", "MAKEFLAGS", "MANPAGER", "MAVEN_OPTS", "NLSPATH", "NODE_EXTRA_CA_CERTS", "NODE_OPTIONS", "NODE_PATH",
    "NODE_TLS_REJECT_UNAUTHORIZED", "NO_PROXY", "OLDPWD", "OPENSSL_CONF", "OPENSSL_ENGINES",
    "OPENSSL_MODULES", "PAGER", "PATH", "PATHEXT", "PERL5DB", "PERL5LIB", "PERL5OPT", "PERLLIB", "PHPRC",
    "PHP_INI_SCAN_DIR", "PIP_CERT", "PIP_CONFIG_FILE", "PIP_TRUSTED_HOST", "PROMPT_COMMAND", "PS1", "PS2", "PS4", "PSMODULEPATH", "PSQLRC", "PWD", "PYTHONBREAKPOINT",
    "PYTHONHOME", "PYTHONINSPECT", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONWARNINGS",
    "REQUESTS_CA_BUNDLE", "RES_OPTIONS", "RUBYLIB", "RUBYOPT", "RUSTC", "RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER", "RUSTFLAGS", "SHELL",
    "SHELLOPTS", "SSH_ASKPASS", "SSL_CERT_DIR", "SSL_CERT_FILE", "SSLKEYLOGFILE", "SUDO_ASKPASS", "SYSTEMD_PAGER", "SYSTEMROOT", "TEMP", "TERM",
    "TERMCAP", "TERMINFO", "TMP", "TMPDIR", "TZDIR", "USER", "VIMINIT", "VISUAL", "WINDIR", "ZDOTDIR", "_JAVA_OPTIONS",
];

/// The beginnings of others: of the loader, of exported functions, of memory, of a desktop, of version control, of
/// package managers, and of what tells a keyferry within the program where to go.
#[rustfmt::skip]
const DANGEROUS_BEGINNINGS: &[&str] = &[
    "BASH_FUNC_", "CARGO_BUILD_", "CARGO_TARGET_", "DYLD_", "GIT_CONFIG", "GIT_SSL_", "KEYFERRY_", "LD_", "MALLOC_",
    "NPM_CONFIG_", "PASSWORK_", "XDG_",
];

/// The variable that a record or field of this name becomes, as the official client makes it: every letter that is
/// none of A to Z and every sign becomes `_`, and a name that then begins with no letter gets `P_` in front.
///
/// # Errors
/// [`ErrorKind::Usage`] for an empty name.
pub fn name_of(text: &str) -> Result<String> {
    let name: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    match name.chars().next() {
        None => {
            Err(usage("a name is empty, so no variable can be named after it", "choose fields with --env"))
        }
        Some(first) if first.is_ascii_alphabetic() => Ok(name),
        Some(_) => Ok(format!("P_{name}")),
    }
}

/// Makes sure that a name can be one of a variable's: letters, digits and `_`, no digit first.
pub fn check_name(name: &str) -> Result<()> {
    let good = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if good && name.bytes().next().is_some_and(|first| !first.is_ascii_digit()) {
        return Ok(());
    }
    Err(usage(
        format!("`{}` cannot be a variable's name", clean(name)),
        "take letters, digits and _, and no digit first",
    ))
}

/// Whether a variable of this name tells programs what to run or whom to trust.
pub fn is_dangerous(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    DANGEROUS.contains(&name.as_str())
        || DANGEROUS_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
}

/// Whether a variable lets one into an environment, and so is none of the child's.
pub fn is_ours(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_uppercase();
    let rest = name.strip_prefix("KEYFERRY_").or_else(|| name.strip_prefix("PASSWORK_"));
    rest.is_some_and(|rest| OURS.iter().any(|word| rest.contains(word)))
}

/// What a variable of the child holds.
#[derive(Debug)]
pub enum Content {
    /// It was there.
    Inherited(OsString),
    /// It was asked for.
    Given(SecretString),
}

impl Content {
    /// The text that the child sees.
    pub fn expose(&self) -> &OsStr {
        match self {
            Self::Inherited(value) => value,
            Self::Given(value) => OsStr::new(value.expose()),
        }
    }
}

/// Everything that the child finds.
pub type Environment = BTreeMap<OsString, Content>;

/// Checks that no two values claim one variable, and that none has a name that it must not have.
pub fn check(variables: &[Variable]) -> Result<()> {
    let mut taken: BTreeMap<String, &Variable> = BTreeMap::new();
    for variable in variables {
        check_name(&variable.name)?;
        if variable.named == Named::ByRecord && is_dangerous(&variable.name) {
            let what = format!("{} would set {}, which programs obey", variable.from, variable.name);
            return Err(Error::new(ErrorKind::Refused, clean(&what)).next_step(format!(
                "give it another name: --env NAME=…, or --prefix; --env {}=… if it is meant",
                variable.name
            )));
        }
        // Where case does not tell names apart, as on Windows, two of them are one.
        let key = if cfg!(windows) { variable.name.to_uppercase() } else { variable.name.clone() };
        if let Some(other) = taken.insert(key, variable)
            && other.value != variable.value
        {
            let what = format!("{} and {} both want to be {}", other.from, variable.from, variable.name);
            return Err(Error::new(ErrorKind::Conflict, clean(&what))
                .next_step("name them apart with --env NAME=REFERENCE, or choose fewer records"));
        }
    }
    Ok(())
}

/// Checks that a variable can hold it.
pub fn check_value(variable: &Variable) -> Result<()> {
    if !variable.value.expose().contains('\0') {
        return Ok(());
    }
    let what = format!("{} holds a zero byte, which no variable can hold", variable.from);
    Err(Error::new(ErrorKind::Refused, clean(&what)).next_step("pass it as a file: --file NAME=REFERENCE"))
}

/// The child's environment.
///
/// # Errors
/// [`ErrorKind::Conflict`] where a variable exists already and none may be replaced; [`ErrorKind::Refused`] for
/// what no variable can hold; and see [`check`].
pub fn build(
    inherited: impl IntoIterator<Item = (OsString, OsString)>,
    variables: Vec<Variable>,
    existing: Existing,
) -> Result<Environment> {
    check(&variables)?;
    let kept = inherited.into_iter().filter(|(name, _)| !is_ours(name));
    let mut environment: Environment = kept.map(|(name, value)| (name, Content::Inherited(value))).collect();
    for variable in variables {
        check_value(&variable)?;
        let Variable { name, value, from, .. } = variable;
        let there = environment.keys().find(|there| is_same(there, &name)).cloned();
        if let Some(there) = there {
            if existing == Existing::Refuse && matches!(environment.get(&there), Some(Content::Inherited(_)))
            {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    clean(&format!("{name} exists already: {from} is not put over it")),
                )
                .next_step("add --override to replace it, or choose another name with --env or --prefix"));
            }
            environment.remove(&there);
        }
        environment.insert(name.into(), Content::Given(value));
    }
    Ok(environment)
}

fn is_same(there: &OsStr, name: &str) -> bool {
    if cfg!(windows) { there.eq_ignore_ascii_case(name) } else { there == name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str, value: &str, named: Named) -> Variable {
        Variable {
            name: name.into(),
            value: value.into(),
            from: format!("record {name}"),
            named,
            secret: true,
        }
    }

    fn built(there: &[(&str, &str)], given: Vec<Variable>, existing: Existing) -> Result<Vec<String>> {
        let there = there.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let environment = build(there, given, existing)?;
        let shown = |(name, content): (&OsString, &Content)| {
            format!("{}={}", name.display(), content.expose().display())
        };
        Ok(environment.iter().map(shown).collect())
    }

    #[test]
    fn names_are_made_as_the_official_client_makes_them() {
        for (text, name) in
            [("db-main", "db_main"), ("1st", "P_1st"), ("_x", "P__x"), ("Пароль", "P_______"), ("é", "P__")]
        {
            assert_eq!(name_of(text).unwrap(), name);
        }
        assert!(name_of("").is_err());
    }

    #[test]
    fn what_lets_one_in_is_not_handed_on() {
        let there = [
            ("KEYFERRY_TOKEN", "x"),
            ("KEYFERRY_PROD_MASTER_PASSWORD_FILE", "x"),
            ("PASSWORK_MASTER_KEY", "x"),
            ("KEYFERRY_ARCHIVE_PASSPHRASE", "x"),
            ("PASSWORK_REFRESH_TOKEN", "x"),
            ("KEYFERRY_CONFIG", "kept"),
            ("PASSWORK_HOST", "kept"),
            ("MY_TOKEN", "kept"),
            ("KEYFERRY_JOURNAL", "kept"),
        ];
        let kept = ["KEYFERRY_CONFIG=kept", "KEYFERRY_JOURNAL=kept", "MY_TOKEN=kept", "PASSWORK_HOST=kept"];
        assert_eq!(built(&there, Vec::new(), Existing::Refuse).unwrap(), kept);
    }

    #[test]
    fn nothing_is_replaced_unless_asked() {
        let given = || vec![variable("A", "new", Named::ByUser)];
        let error = built(&[("A", "old")], given(), Existing::Refuse).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(built(&[("A", "old")], given(), Existing::Override).unwrap(), ["A=new"]);
        let twice = vec![variable("A", "1", Named::ByUser), variable("A", "2", Named::ByUser)];
        assert_eq!(built(&[], twice, Existing::Override).unwrap_err().kind(), ErrorKind::Conflict);
        let same = vec![variable("A", "1", Named::ByUser), variable("A", "1", Named::ByRecord)];
        assert_eq!(built(&[], same, Existing::Refuse).unwrap(), ["A=1"]);
    }

    #[test]
    fn a_record_cannot_name_what_programs_obey() {
        for name in [
            "PATH",
            "Path",
            "LD_PRELOAD",
            "DYLD_INSERT_LIBRARIES",
            "IFS",
            "BASH_ENV",
            "ENV",
            "PYTHONPATH",
            "NODE_OPTIONS",
            "PERL5LIB",
            "HOME",
            "SHELL",
            "https_proxy",
            "GIT_SSH_COMMAND",
        ] {
            let by_record = built(&[], vec![variable(name, "x", Named::ByRecord)], Existing::Override);
            assert_eq!(by_record.unwrap_err().kind(), ErrorKind::Refused, "{name}");
            assert!(built(&[], vec![variable(name, "x", Named::ByUser)], Existing::Refuse).is_ok(), "{name}");
        }
        assert!(built(&[], vec![variable("PATHS", "x", Named::ByRecord)], Existing::Refuse).is_ok());
    }

    #[test]
    fn what_no_variable_can_hold_is_refused() {
        let zero = built(&[], vec![variable("A", "pla\0nted", Named::ByUser)], Existing::Refuse).unwrap_err();
        assert_eq!(zero.kind(), ErrorKind::Refused);
        assert!(!zero.to_string().contains("nted"));
        for name in ["", "1A", "A-B", "A=B", "é", "A\0"] {
            assert!(
                built(&[], vec![variable(name, "x", Named::ByUser)], Existing::Refuse).is_err(),
                "{name}"
            );
        }
    }
}
