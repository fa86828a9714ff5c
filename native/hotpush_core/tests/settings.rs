//! `hotpush.toml`: what is taken, and what is told of each mistake.

use hotpush_core::{settings, Mistake, Settings, Source, MAX_SETTINGS_BYTES};
use proptest::prelude::*;

const WHOLE: &str = r#"app = "example"
cookie_env = "EXAMPLE_COOKIE"

[device.porch]
node = "example@nerves-3c4d.local"
cookie = "sesame"
[device.kitchen]
ssh = "nerves-1a2b.local"
[device.phone]
adb = "R5CT"
node = "example@127.0.0.1"

[group.all]
devices = ["kitchen", "porch", "phone"]
"#;

/// `line:column message`, and what was meant.
fn told(text: &str) -> String {
    let Mistake {
        place,
        message,
        meant,
    } = settings(text.as_bytes()).expect_err(text);
    let meant = meant.map(|meant| format!(" | {meant}")).unwrap_or_default();
    format!("{}:{} {message}{meant}", place.line, place.column)
}

fn taken(text: &str) -> Settings {
    settings(text.as_bytes()).expect(text)
}

#[test]
fn a_whole_file() {
    let settings = taken(WHOLE);
    assert_eq!(settings.apps[0].value, "example");
    let cookie = settings.cookie.unwrap();
    assert_eq!(cookie.source, Source::Variable);
    assert_eq!(cookie.value.value, "EXAMPLE_COOKIE");
    let names: Vec<_> = settings.devices.iter().map(|d| &d.name.value).collect();
    assert_eq!(names, ["porch", "kitchen", "phone"]);
    let phone = &settings.devices[2];
    let node = phone.node.as_ref().unwrap();
    assert_eq!(
        (node.value.as_str(), node.place.line, node.place.column),
        ("example@127.0.0.1", 11, 8)
    );
    assert_eq!(
        settings.devices[0].cookie.as_ref().unwrap().source,
        Source::Text
    );
    assert_eq!(settings.groups[0].devices.len(), 3);
}

#[test]
fn other_ways_to_write_it() {
    assert_eq!(taken(""), Settings::default());
    assert_eq!(taken("\u{feff}# nothing\r\n"), Settings::default());
    assert_eq!(taken("app = ['a', \"b_2\"]").apps.len(), 2);
    let inline = taken("device.a.ssh = \"h\"\n[group]\ng = { devices = ['a'] }");
    assert_eq!(inline.groups[0].devices[0].value, "a");
}

#[test]
fn mistakes_have_a_place() {
    for (text, says) in [
        ("app = ", "1:7 string values must be quoted, expected literal string"),
        ("a b", "1:3 "),
        ("[device.a]\nssh = nerves.local", "2:7 text must be in quotes"),
        ("[device.a]\nssh =nope.local # mine", "2:6 text must be in quotes"),
        ("[device.a]\nssh = 192.168.1.5", "2:7 text must be in quotes"),
        ("[device.a]\nssh = true.local", "2:7 text must be in quotes"),
        ("[device.a]\nssh = 1a.local", "2:7 text must be in quotes"),
        ("[device.a]\nssh = 2001:db8::1", "2:7 text must be in quotes"),
        ("[device.a]\nnode = me@x", "2:8 text must be in quotes"),
        ("app = desk", "1:7 text must be in quotes"),
        ("app = früh", "1:7 text must be in quotes"),
        ("[group.a]\ndevices = ['a',\n  b]", "3:3 text must be in quotes"),
        ("[device.a]\nssh = \"x", "2:9 "),
        ("[device!]", "1:8 "),
        ("app = 'a'\n[device kitchen]", "2:8 unclosed"),
        ("app = 'a'\napp = 'b'", "2:1 the key app appears a second time here"),
        ("[device.a]\nssh = 'x'\n[device.a]\nssh = 'y'", "3:9 the key a appears a second time here"),
        ("cookei = 'x'", "1:1 unknown key \"cookei\" (known here: app, cookie, cookie_env, cookie_file, device, group) | cookie"),
        ("app = 'a'\n\n[devices.kitchen]\nssh = 'x'", "3:2 unknown key \"devices\" (known here: app, cookie, cookie_env, cookie_file, device, group) | device"),
        ("[device.a]\nssh = 'x'\n  hots = 'y'", "3:3 unknown key \"hots\" (known here: ssh, node, adb, cookie, cookie_env, cookie_file)"),
        ("[group.a]\ndevice = []", "2:1 unknown key \"device\" (known here: devices) | devices"),
        ("app = 42", "1:7 \"app\" should be a string or a list of strings, got an integer"),
        ("app = ['a', 4.2]", "1:13 \"app\" should be a string, got a float"),
        ("cookie = true", "1:10 \"cookie\" should be a string, got a boolean"),
        ("device = 'x'", "1:10 \"device\" should be a table of tables, got a string"),
        ("[device]\nkitchen = 'x'", "2:11 \"kitchen\" should be a table, got a string"),
        ("[[device]]\nssh = 'x'", "1:1 \"device\" should be a table of tables, got a list"),
        ("[device.a]\nssh = ['x']", "2:7 \"ssh\" should be a string, got a list"),
        ("[group.a]\ndevices = 'x'", "2:11 \"devices\" should be a list of strings, got a string"),
        ("[group.a]\ndevices = [1979-05-27]", "2:12 \"devices\" should be a string, got a date or time"),
        ("app = ''", "1:7 an application's name has small letters, digits and _, and begins with a letter"),
        ("app = []", "1:7 \"app\" names no application"),
        ("cookie = ''", "1:10 \"cookie\" is empty"),
        ("cookie = \"a\\nb\"", "1:10 \"cookie\" has a control character"),
        ("cookie_env = 'A'\ncookie = 'b'", "2:10 there can be only one cookie: cookie_env or cookie, not both"),
        ("[device.a]\nssh = ''", "2:7 \"ssh\" is empty"),
        ("[device.a]\ncookie = 'x'", "1:9 this device needs one of ssh, node and adb, which says how to reach it"),
        ("[device.a]\nnode = 'a@b'\nssh = 'x'", "3:7 a device has only one way to reach it: ssh or node, not both"),
        ("[device.a]\nadb = 'a'\nssh = 'x'", "3:7 a device has only one way to reach it: ssh or adb, not both"),
        ("[device.'a@b']\nssh = 'x'", "1:9 a device's name has letters, digits, _, - and ., begins with a letter or a digit, and has at most 64 of them"),
        ("[group.-a]\ndevices = []", "1:8 a group's name has"),
        ("[group.a]\ndevices = []", "1:8 this group is empty"),
        ("[group.a]", "1:8 this group is empty"),
        ("[device.kitchen]\nssh = 'x'\n[group.a]\ndevices = ['kitchne', 'no']", "4:12 this file has no [device.kitchne] | kitchen"),
    ] {
        let told = told(text);
        assert!(told.starts_with(says), "{text}\n{told}\n{says}");
    }
}

#[test]
fn the_first_of_several_is_told() {
    assert!(told("app = 4\ncookie = 5").starts_with("1:7"));
    assert!(told("[zzz]\n[aaa]").starts_with("1:2"));
}

#[test]
fn what_is_no_such_text() {
    let large = vec![b'#'; MAX_SETTINGS_BYTES + 1];
    assert!(settings(&large[1..]).is_ok());
    assert_eq!(
        settings(&large).unwrap_err().message,
        "the file is larger than 64 KiB"
    );
    let latin = settings(b"# ok\n# gr\xfc\xdf").unwrap_err();
    assert_eq!((latin.place.line, latin.place.column), (2, 5));
    assert_eq!(latin.message, "this is not UTF-8");
    // Deeper than a recursive reader could go.
    for open in ["[", "{a="] {
        let deep = format!("app = {}", open.repeat(MAX_SETTINGS_BYTES / 3 - 10));
        assert!(settings(deep.as_bytes()).is_err());
    }
}

#[test]
fn a_cookie_does_not_show() {
    for text in [
        "cookie = 'sesame'\ncookei = 'sesame'",
        "cookie = 'sesame",
        "cookie = \"sesame\\q\"",
        "cookie = sesame",
        "cookie = ['sesame']",
        "cookie = \"sesame\\u0001\"",
        "[device.a]\ncookie = 'sesame'",
        "device = 'sesame'",
    ] {
        assert!(!told(text).contains("sesame"), "{}", told(text));
    }
    assert!(!format!("{:?}", taken("cookie = 'sesame'")).contains("sesame"));
}

/// Every place lies within the text.
fn everything(bytes: &[u8]) {
    let again = settings(bytes);
    assert_eq!(settings(bytes), again);
    if let Err(mistake) = again {
        let text = String::from_utf8_lossy(bytes);
        let line = text.split('\n').nth(mistake.place.line as usize - 1);
        let length = line.expect("the line is there").chars().count();
        assert!(mistake.place.column as usize <= length + 1, "{mistake:?}");
        assert!(!mistake.message.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        everything(&bytes);
    }

    #[test]
    fn any_text(text in "\\PC{0,80}", nested in "[\\[\\]{}=.'\"#a-c\\n ,]{0,80}") {
        everything(text.as_bytes());
        everything(nested.as_bytes());
    }

    #[test]
    fn pieces_of_such_files(pieces in prop::collection::vec(prop::sample::select(vec![
        "app", "cookie", "cookie_env", "device", "group", "devices", "ssh", "node", "adb", "x",
        "[", "]", "[[", "]]", "{", "}", ".", "=", ",", "\n", " ", "'a'", "\"ü\"", "''", "4", "true",
        "1979-05-27", "[device.a]\nssh='h'\n", "[group.b]\ndevices=['a']\n", "#\n",
    ]), 0..25)) {
        everything(pieces.concat().as_bytes());
    }

    #[test]
    fn mutations(changes in prop::collection::vec((0..WHOLE.len(), any::<u8>()), 1..4)) {
        let mut bytes = WHOLE.as_bytes().to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        everything(&bytes);
        everything(&bytes[..bytes.len() / 2]);
    }
}
