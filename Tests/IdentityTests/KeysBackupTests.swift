import Foundation
import RegistryModel
import TestSupport
import Testing

@testable import Identity

@Suite("Keys under a passphrase")
struct KeysBackupTests {
    private let now = Timestamp(rawValue: 1_800_000_000_000_000_000)
    private let passphrase = "correct horse battery"

    private func sealed(_ text: String) throws -> String {
        try AgeFile.seal(text, passphrase: passphrase, workFactor: 4)
    }

    @Test("what the age program sealed is opened")
    func foreign() throws {
        let armored = """
            -----BEGIN AGE ENCRYPTED FILE-----
            YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCBkb3RIL1JEMlhTQllnTDho
            aGlOTCtBIDE4CldoNEdITjF3MmFTall6YmxtM01WZm9WWEMrMHNUKzYwY0t3ekZp
            ZU1UaXMKLS0tIDFYWVppcEVBOGdQSzZMVVBGaU93cFlaZlhuUTZndmw1VmVBaXNm
            WTE1a28KtSOdc2r1cB7OuGFz4LBEwkJNELywfTI1C2k2C8Rb3xSFOB2+POKHZs1j
            nE+G7iIu7HG1Pp6AMvs=
            -----END AGE ENCRYPTED FILE-----
            """
        #expect(try AgeFile.open(armored, passphrase: passphrase) == "kept by another program\n")
    }

    @Test("texts of all lengths around the pieces come back", arguments: [0, 1, 65_535, 65_536, 65_537, 131_072])
    func lengths(count: Int) throws {
        let text = String(repeating: "x", count: count)
        #expect(try AgeFile.open(try sealed(text), passphrase: passphrase) == text)
        #expect(try sealed(text) != sealed(text))
        #expect(throws: IdentityError(.wrongPassphrase, "")) {
            try AgeFile.open(try sealed(text), passphrase: "correct horse")
        }
    }

    @Test("a flipped bit anywhere and a cut anywhere are refused, never a crash, and never another text")
    func damage() throws {
        var random = SeededGenerator(seed: 7)
        let armored = Array(try sealed(String(repeating: "secret ", count: 40)).utf8)
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        for index in armored.indices where armored[index] != UInt8(ascii: "\n") {
            var bytes = armored
            bytes[index] = try #require(digits.filter { $0 != bytes[index] }.randomElement(using: &random))
            let changed = String(decoding: bytes, as: UTF8.self)
            #expect(throws: IdentityError.self, "\(index)") { try AgeFile.open(changed, passphrase: passphrase) }
        }
        let text = String(decoding: armored, as: UTF8.self)
        let lines = text.split(separator: "\n")
        for dropped in 2..<lines.count {
            let cut = (lines.dropLast(dropped) + [lines[lines.count - 1]]).joined(separator: "\n")
            #expect(throws: IdentityError.self) { try AgeFile.open(cut, passphrase: passphrase) }
        }
        for length in stride(from: 0, to: armored.count - 2, by: 5) {
            let cut = String(decoding: armored.prefix(length), as: UTF8.self)
            #expect(throws: IdentityError(.malformedBackup, "")) { try AgeFile.open(cut, passphrase: passphrase) }
        }
    }

    @Test("a file that would take all memory is refused before it does")
    func greedy() throws {
        let header = "age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 40\n"
        let file = header + String(repeating: "A", count: 43) + "\n--- " + String(repeating: "A", count: 43) + "\n"
        let armored = (Data(file.utf8) + Data(repeating: 0, count: 64)).base64EncodedString()
        let text = "-----BEGIN AGE ENCRYPTED FILE-----\n\(armored)\n-----END AGE ENCRYPTED FILE-----\n"
        #expect {
            try AgeFile.open(text, passphrase: passphrase)
        } throws: {
            "\($0)".contains("would take 1073741824 MiB of memory")
        }
    }

    @Test("a registry's keys come back whole into an empty folder, over nothing, and sign the same identities")
    func restored() throws {
        try withTemporaryDirectory { directory in
            let domain = try TrustDomain("gov.local")
            let keys = directory + "/old/keys"
            try PrivateFile.makeDirectory(directory + "/old")
            let authority = try CertificateAuthority.open(in: keys, trustDomain: domain, now: now)
            try PrivateFile.write("a key", to: keys + "/checkpoint.pem")
            try PrivateFile.write("half", to: keys + "/authority.json.12.new")
            let backup = try KeysBackup(of: keys, now: now)
            #expect(backup.fileNames == ["authority.json", "checkpoint.pem"])
            let sealed = try backup.sealed(passphrase: passphrase)
            for secret in ["BEGIN PRIVATE", "a key", "authority"] { #expect(!sealed.contains(secret)) }

            let opened = try KeysBackup(sealed: sealed, passphrase: passphrase)
            #expect(opened == backup)
            try opened.restore(to: directory + "/new")
            let again = try CertificateAuthority.open(in: directory + "/new/keys", trustDomain: domain, now: now)
            #expect(again.root == authority.root && again.issuer == authority.issuer)
            #expect(try readFile(directory + "/new/keys/checkpoint.pem") == Array("a key".utf8))
            #expect(try directoryEntries(directory + "/new") == ["keys"])
            let record = try #require(KeysBackupRecord(in: directory + "/new/keys"))
            #expect(record.madeAt == now)
            #expect(throws: IdentityError(.storage, "")) { try opened.restore(to: directory + "/new") }

            // What a killed restore left is no obstacle.
            try PrivateFile.makeDirectory(directory + "/third/keys.restoring")
            try PrivateFile.write("half", to: directory + "/third/keys.restoring/authority.json")
            try opened.restore(to: directory + "/third")
            #expect(try directoryEntries(directory + "/third") == ["keys"])
        }
    }

    @Test("only an authority that can be used is backed up, and only keys are restored")
    func refusals() throws {
        try withTemporaryDirectory { directory in
            #expect(throws: IdentityError(.storage, "")) { try KeysBackup(of: directory + "/none", now: now) }
            #expect(throws: IdentityError(.storage, "")) { try KeysBackup(of: directory, now: now) }
            try PrivateFile.write("{}", to: directory + "/authority.json")
            #expect(throws: IdentityError.self) { try KeysBackup(of: directory, now: now) }
        }
        for text in [
            "", "[]", "{}", #"{"version":2,"files":{}}"#, #"{"version":1,"files":{"../authority.json":""}}"#,
            #"{"version":1,"files":{"authority.json":"{}"}}"#,
        ] {
            let file = try sealed(text)
            #expect(throws: IdentityError.self, "\(text)") { try KeysBackup(sealed: file, passphrase: passphrase) }
        }
    }
}
