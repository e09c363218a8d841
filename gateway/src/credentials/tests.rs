use super::*;
use crate::config::Region;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

fn load(
    folder: &Path,
    environment: &Environment,
) -> Result<(Credentials, CredentialsOrigin), CredentialsError> {
    Credentials::load_or_create(&DataDir::open(folder).unwrap(), environment)
}

#[test]
fn the_first_start_makes_a_pair_and_the_second_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = Environment::default();
    let (made, origin) = load(folder.path(), &nowhere).unwrap();
    let path = folder.path().join("credentials");
    assert_eq!(origin, CredentialsOrigin::Created(path.clone()));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    assert!(made.access_key().starts_with("HO"));
    assert_eq!((made.access_key().len(), made.secret_key().expose().len()), (20, 40));
    let (read, origin) = load(folder.path(), &nowhere).unwrap();
    assert_eq!(origin, CredentialsOrigin::File(path));
    assert_eq!(read.access_key(), made.access_key());
    assert_eq!(read.secret_key().expose(), made.secret_key().expose());
}

#[test]
fn two_first_starts_make_different_pairs() {
    let (one, other) = (generate::key_pair(), generate::key_pair());
    assert_ne!(one.access_key(), other.access_key());
    assert_ne!(one.secret_key().expose(), other.secret_key().expose());
}

#[test]
fn the_environment_overrides_the_file_and_leaves_it() {
    let folder = tempfile::tempdir().unwrap();
    load(folder.path(), &Environment::default()).unwrap();
    let path = folder.path().join("credentials");
    let before = fs::read_to_string(&path).unwrap();
    let environment = Environment::from([
        (Environment::ACCESS_KEY_ID, "AKIAIOSFODNN7EXAMPLE"),
        (Environment::SECRET_ACCESS_KEY, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ]);
    let (given, origin) = load(folder.path(), &environment).unwrap();
    assert_eq!(origin, CredentialsOrigin::Environment);
    assert_eq!(given.access_key(), "AKIAIOSFODNN7EXAMPLE");
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
}

#[test]
fn the_environment_alone_writes_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let environment = Environment::from([
        (Environment::ACCESS_KEY_ID, "key"),
        (Environment::SECRET_ACCESS_KEY, "longenough"),
    ]);
    load(folder.path(), &environment).unwrap();
    assert!(!folder.path().join("credentials").exists());
}

#[test]
fn half_a_pair_and_unusable_pairs_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let half = Environment::from([(Environment::ACCESS_KEY_ID, "AKIAIOSFODNN7EXAMPLE")]);
    let error = load(folder.path(), &half).unwrap_err();
    assert!(error.to_string().contains("HAULOUT_SECRET_ACCESS_KEY is not; set both"), "{error}");
    assert_eq!(Credentials::new("a/b", "longenough").unwrap_err(), InvalidKeyPair::AccessKey);
    assert_eq!(Credentials::new("abc", "short").unwrap_err(), InvalidKeyPair::SecretKey);
    assert_eq!(Credentials::new("abc", "has a space").unwrap_err(), InvalidKeyPair::SecretKey);
}

#[test]
fn a_file_edited_by_hand_is_read_as_aws_tools_read_it() {
    let text = "# mine\n[other]\naws_access_key_id=NOTME\n\n[ default ]\naws_access_key_id=HOMINE\nregion = x\n\
                aws_secret_access_key = a=b=c=d=\n[more]\n";
    let credentials = aws_files::parse_credentials(text).unwrap();
    assert_eq!((credentials.access_key(), credentials.secret_key().expose()), ("HOMINE", "a=b=c=d="));
    let missing =
        aws_files::parse_credentials("[default]\naws_access_key_id = HOMINE\n[x]\naws_secret_access_key=y");
    assert_eq!(missing.unwrap_err(), InvalidCredentialsFile::Missing { name: "aws_secret_access_key" });
}

#[test]
fn the_aws_config_follows_the_endpoint() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = DataDir::open(folder.path()).unwrap();
    let path = folder.path().join(AWS_CONFIG_FILE);
    write_aws_config(&data_dir, "http://127.0.0.1:9000", &Region::default()).unwrap();
    let first = fs::read_to_string(&path).unwrap();
    assert!(
        first.contains("\nendpoint_url = http://127.0.0.1:9000\ns3 =\n    addressing_style = path\n"),
        "{first}"
    );
    write_aws_config(&data_dir, "http://127.0.0.1:9002", &Region::default()).unwrap();
    assert!(fs::read_to_string(&path).unwrap().contains(":9002\n"));
}

#[test]
fn only_the_right_access_key_has_a_secret() {
    let credentials = Credentials::new("HOMINE", "longenough").unwrap();
    let source: &dyn CredentialSource = &credentials;
    assert!(source.secret_key("HOMINE").is_some());
    assert!(source.secret_key("HOMIN").is_none());
    assert!(!format!("{credentials:?}").contains("longenough"));
}

#[test]
fn the_notice_shows_the_pair_and_commands_that_can_be_pasted() {
    let credentials = Credentials::new("HOMINE", "longenough").unwrap();
    let notice = first_start_notice(&credentials, Path::new("/srv/h o"), "http://127.0.0.1:9000");
    assert!(notice.contains("HOMINE") && notice.contains("longenough"));
    assert!(notice.contains("AWS_CONFIG_FILE='/srv/h o/aws-config'"), "{}", notice.as_str());
}
