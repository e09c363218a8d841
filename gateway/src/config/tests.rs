use super::*;
use std::path::Path;

const EXAMPLE: &str = include_str!("../../../deploy/haulout.toml");

fn load_text(text: &str, environment: &Environment, overrides: &Overrides) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("haulout.toml");
    std::fs::write(&path, text).unwrap();
    load(Some(&path), environment, overrides)
}

fn complaint(text: &str, environment: &Environment) -> String {
    load_text(text, environment, &Overrides::default()).unwrap_err().to_string()
}

/// The example's commented-out settings, which have no value by default, put to work.
fn example_with_options() -> String {
    let uncomment = |line: &str| match line.strip_prefix("#: ") {
        Some(option) => option.to_owned(),
        None => line.to_owned(),
    };
    EXAMPLE.lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

fn keys(table: &toml::Table) -> Vec<String> {
    let nested = table.iter().flat_map(|(key, value)| match value {
        toml::Value::Table(section) => {
            keys(section).into_iter().map(|inner| format!("{key}.{inner}")).collect()
        }
        _ => vec![key.clone()],
    });
    let mut keys: Vec<String> = nested.collect();
    keys.sort();
    keys
}

#[test]
fn the_defaults_pass_their_own_checks() {
    assert_eq!(check::problems(&Config::default()), []);
}

#[test]
fn the_example_equals_the_defaults() {
    let config = load_text(EXAMPLE, &Environment::default(), &Overrides::default()).unwrap();
    assert_eq!(config, Config::default());
}

#[test]
fn the_example_names_every_setting() {
    let tls = Some(TlsSettings { cert: "cert.pem".into(), key: "key.pem".into() });
    let mut full = Config { tls, ..Config::default() };
    full.encryption.master_key_file = Some("master.key".into());
    full.encoder.threads = Some(const { std::num::NonZeroUsize::new(2).unwrap() });
    let expected: toml::Table = toml::from_str(&toml::to_string(&full).unwrap()).unwrap();
    let example: toml::Table = toml::from_str(&example_with_options()).unwrap();
    assert_eq!(keys(&example), keys(&expected));
}

#[test]
fn the_options_of_the_example_load() {
    let config = load_text(&example_with_options(), &Environment::default(), &Overrides::default()).unwrap();
    assert!(config.tls.is_some());
    assert!(config.encryption.master_key_file.is_some());
    assert!(config.encoder.threads.is_some());
}

#[test]
fn what_is_printed_loads_again() {
    let mut config = Config::default();
    config.limits.drain_timeout = std::time::Duration::from_millis(2_500);
    config.network.node_dirs = (0..10).map(|node| PathBuf::from(format!("/disk/{node}"))).collect();
    let printed = toml::to_string(&config).unwrap();
    assert_eq!(load_text(&printed, &Environment::default(), &Overrides::default()).unwrap(), config);
}

#[test]
fn environment_beats_file_and_flags_beat_environment() {
    let text = "region = \"file-1\"\nlisten = \"127.0.0.1:1\"\nadmin_listen = \"127.0.0.1:2\"\n\
                [staging]\nmax_bytes = 100_000_000\nsegment_bytes = 2_000_000";
    let environment = Environment::from([
        ("HAULOUT_LISTEN", "127.0.0.1:3"),
        ("HAULOUT_ADMIN_LISTEN", "127.0.0.1:4"),
        ("HAULOUT_STAGING__MAX_BYTES", "200000000"),
        ("HAULOUT_LIMITS__DRAIN_TIMEOUT", "7s"),
        ("HAULOUT_DOMAINS", "[\"a.test\", \"b.test\"]"),
        ("HAULOUT_LOG__FILTER", "debug,hyper=info"),
    ]);
    let overrides = Overrides { admin_listen: Some("127.0.0.1:5".parse().unwrap()), ..Overrides::default() };
    let config = load_text(text, &environment, &overrides).unwrap();
    assert_eq!(config.region.as_str(), "file-1");
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.admin_listen.port(), 5);
    assert_eq!(config.staging.max_bytes, 200_000_000);
    assert_eq!(config.staging.segment_bytes, 2_000_000);
    assert_eq!(config.limits.drain_timeout, std::time::Duration::from_secs(7));
    assert_eq!(config.domains.len(), 2);
    assert_eq!(config.log.filter, "debug,hyper=info");
}

#[test]
fn secrets_in_the_environment_are_no_settings() {
    let environment = Environment::from([
        (Environment::ACCESS_KEY_ID, "HOTEST"),
        (Environment::SECRET_ACCESS_KEY, "not to be seen"),
        (Environment::MASTER_KEY, "00"),
    ]);
    assert_eq!(load_text("", &environment, &Overrides::default()).unwrap(), Config::default());
    assert!(!format!("{environment:?}").contains("not to be seen"));
}

#[test]
fn unknown_keys_are_refused_wherever_they_stand() {
    let nowhere = Environment::default();
    let top = complaint("liste = \"127.0.0.1:1\"", &nowhere);
    assert!(top.starts_with("liste: no such setting") && top.contains("haulout.toml"), "{top}");
    let nested = complaint("[limits]\nmax_conections = 3", &nowhere);
    assert!(nested.starts_with("limits.max_conections: no such setting"), "{nested}");
    assert!(nested.contains("max_connections"), "{nested}");
    let variable = complaint("", &Environment::from([("HAULOUT_STAGING__MAX_BITES", "1")]));
    assert!(variable.starts_with("staging.max_bites: no such setting"), "{variable}");
    assert!(variable.contains("HAULOUT_STAGING__MAX_BITES"), "{variable}");
    let secret_in_file = complaint("[auth]\nsecret_access_key = \"x\"", &nowhere);
    assert!(secret_in_file.starts_with("auth.secret_access_key: no such setting"), "{secret_in_file}");
}

#[test]
fn bad_values_name_their_place_and_a_way_out() {
    let nowhere = Environment::default();
    let cases = [
        ("listen = \"localhost\"", "listen: "),
        ("region = \"US East\"", "region: a region is 1 to 63 lower-case letters"),
        ("domains = [\"https://x\"]", "domains.0: a base domain is a lower-case host name"),
        ("[limits]\ndrain_timeout = \"soon\"", "limits.drain_timeout: "),
        ("[limits]\nmax_connections = 0", "limits.max_connections: "),
        ("[limits]\nbody_idle_timeout = \"0s\"", "limits.body_idle_timeout: must not be zero"),
        ("[tls]\ncert = \"c.pem\"", "tls: key is missing"),
        ("[network]\nkind = \"walrus\"", "network.kind: \"walrus\" is not supported; choose `embedded`"),
        ("[network]\nn_shards = 3", "network.n_shards: 3 is out of range; choose 10 to 1000"),
        ("[network]\nnode_dirs = [\"/a\", \"/a\"]", "network.node_dirs: 2 directories for 10 nodes"),
        ("[shipping]\nblob_bytes_max = 100_000_000", "encoder.memory_bytes: 100663296 cannot hold"),
        ("[shipping]\nblob_bytes_max = 1_000_000_000", "shipping.blob_bytes_max: 1000000000 is more than"),
        (
            "[staging]\nsmall_object_bytes_max = 2_000_000",
            "staging.small_object_bytes_max: 2000000 is out of range",
        ),
        ("[shipping]\nrenew_before_epochs = 30", "shipping.renew_before_epochs: 30 must be less"),
        ("[staging]\nmax_bytes = 1", "staging.max_bytes: 1 cannot hold"),
        ("[log]\nfilter = \"s3s=shout\"", "log.filter: \"s3s=shout\" is no filter"),
        ("admin_listen = \"127.0.0.1:9000\"", "admin_listen: the same address as listen"),
        ("[limits", "haulout.toml"),
    ];
    for (text, expected) in cases {
        let complaint = complaint(text, &nowhere);
        assert!(complaint.contains(expected), "{text:?} gave {complaint:?}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let text = "[network]\nn_shards = 2000\n[shipping]\nepochs_ahead = 60";
    let complaint = complaint(text, &Environment::default());
    assert_eq!(complaint.lines().count(), 2, "{complaint}");
}

#[test]
fn a_named_file_must_exist() {
    let missing = Path::new("/no/such/haulout.toml");
    let error = load(Some(missing), &Environment::default(), &Overrides::default()).unwrap_err();
    assert!(matches!(error, ConfigError::File { .. }));
    let environment = Environment::from([(Environment::CONFIG, "/no/such/haulout.toml")]);
    assert!(matches!(load(None, &environment, &Overrides::default()), Err(ConfigError::File { .. })));
}
