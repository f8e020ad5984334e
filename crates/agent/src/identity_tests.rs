use std::fs;

use super::*;

fn identity(n: u8) -> Identity {
    let card = Card {
        host: Uuid::from_u128(1),
        name: "h1".to_owned(),
        zone: "fi-hel1".to_owned(),
        underlay: [192, 0, 2, 1].into(),
    };
    let papers = Papers {
        key_pem: format!("key {n}"),
        certificate_pem: format!("certificate {n}"),
        authority_pem: "authority".to_owned(),
        token: Some(format!("token {n}")),
    };
    Identity { card, papers }
}

fn is_pair(it: &Identity, n: u8) -> bool {
    let Papers { key_pem, certificate_pem, .. } = &it.papers;
    (&**key_pem, &**certificate_pem) == (&*format!("key {n}"), &*format!("certificate {n}"))
}

#[test]
fn wherever_a_renewal_is_cut_there_is_a_key_with_its_certificate() {
    let new = identity(2).files();
    for legacy in [false, true] {
        for cut in 0..=new.len() {
            for torn in [0, 1, 20] {
                let dir = tempfile::tempdir().unwrap();
                identity(1).save(dir.path()).unwrap();
                if legacy {
                    let card = serde_json::to_string(&identity(1).card).unwrap();
                    fs::write(dir.path().join(CARD), card).unwrap();
                }
                for (name, text) in &new[..cut] {
                    files::write(&dir.path().join(name), text.as_bytes()).unwrap();
                }
                if let Some((name, text)) = new.get(cut) {
                    let begun = dir.path().join(name).with_extension("new");
                    fs::write(begun, &text[..torn.min(text.len())]).unwrap();
                }
                let found = Identity::load(dir.path()).unwrap().unwrap();
                assert!(is_pair(&found, if cut == 0 { 1 } else { 2 }), "{legacy} {cut} {torn}");
            }
        }
    }
}

#[test]
fn an_identity_is_read_as_it_was_written_and_shown_to_nobody_else() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    assert!(Identity::load(dir.path()).unwrap().is_none());
    identity(1).save(dir.path()).unwrap();
    let found = Identity::load(dir.path()).unwrap().unwrap();
    assert!(found.card == identity(1).card && found.papers == identity(1).papers);
    for (name, _) in found.files() {
        let mode = fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}
