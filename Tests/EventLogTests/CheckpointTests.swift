import Glibc
import OpenSSLCrypto
import RegistryModel
import TestSupport
import Testing

@testable import EventLog

@Suite("Checkpoints")
struct CheckpointTests {
    private let origin = Checkpoint.origin(trustDomain: "gov.local", testIdentity)

    private func checkpoint(_ size: UInt64 = 41_290) throws -> Checkpoint {
        Checkpoint(origin: origin, size: SequenceNumber(size), root: try naiveRoot([[1], [2]]))
    }

    @Test("the specification's own example is read, and written again byte for byte")
    func example() throws {
        let note = """
            example.com/behind-the-sofa
            20852163
            CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

            — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=

            """
        let parsed = try SignedNote(parsing: note)
        let checkpoint = try Checkpoint(text: parsed.text)
        #expect(checkpoint.origin == "example.com/behind-the-sofa")
        #expect(checkpoint.size == SequenceNumber(20_852_163))
        #expect(checkpoint.text == parsed.text)
        #expect(parsed.signatures.map(\.keyName) == ["example.com/behind-the-sofa"])
        #expect(parsed.rendered == note)
    }

    @Test("the example of Go's sumdb verifies by its published key, and by no other")
    func goExample() throws {
        let key = try NoteKey(
            vkey: "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
        )
        let note = try SignedNote(
            parsing: """
                If you think cryptography is the answer to your problem,
                then you don't know what your problem is.

                — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=

                """
        )
        #expect(note.isSigned(by: key))
        #expect(key.description == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
        let other = try NoteKey(name: "PeterNeumann", key: try SigningKey.generate().publicKey)
        #expect(!note.isSigned(by: other))
    }

    @Test("a signature is judged by openssl and a shell, which share nothing with the signer")
    func judgedByOpenSSL() throws {
        try withTemporaryDirectory { directory in
            let key = try SigningKeyFile.loadOrMake(directory + "/checkpoint.pem")
            let noteKey = try NoteKey(name: origin, key: key.publicKey)
            try writeFile(directory + "/note", Array(try checkpoint().signed(by: key).rendered.utf8))
            try writeFile(directory + "/vkey", Array("\(noteKey)".utf8))
            let script = """
                set -e; cd \(directory)
                sed '/^$/,$d' note > text
                sed -n 's/^— [^ ]* //p' note | openssl base64 -d -A > signature
                tail -c 64 signature > raw; head -c 4 signature | od -An -tx1 | tr -d ' ' > id
                sed 's/^[^+]*+[^+]*+//' vkey | openssl base64 -d -A | tail -c 32 > key
                { printf '\\060\\052\\060\\005\\006\\003\\053\\145\\160\\003\\041\\000'; cat key; } > key.der
                { printf '%s\\n\\001' "$(head -1 text)"; cat key; } | openssl dgst -sha256 -r | head -c 8 > hashed
                test "$(cat id)" = "$(cat hashed)"
                test "$(cut -d+ -f2 vkey)" = "$(cat hashed)"
                test "$(sed -n 2p text)" = 41290
                test "$(wc -l < text)" = 3
                openssl pkey -in checkpoint.pem -pubout -outform DER | cmp - key.der
                openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in text -sigfile raw
                """
            try writeFile(directory + "/judge", Array(script.utf8))
            let verdict = try runShell("sh \(directory)/judge")
            #expect(verdict.status == 0, "\(verdict.output)")
            #expect(verdict.output.contains("Verified Successfully"))
            #expect(try runShell("sed -i 's/-in text/-in vkey/' \(directory)/judge; sh \(directory)/judge").status != 0)
        }
    }

    @Test("a note is good as it was signed: every change of a byte is told")
    func everyByte() throws {
        let key = try SigningKey.generate()
        let noteKey = try NoteKey(name: origin, key: key.publicKey)
        let note = Array(try checkpoint().signed(by: key).rendered.utf8)
        for index in note.indices {
            var changed = note
            changed[index] ^= 1
            guard let text = String(validating: changed, as: UTF8.self), let parsed = try? SignedNote(parsing: text)
            else { continue }
            #expect(!parsed.isSigned(by: noteKey), "byte \(index)")
        }
        #expect(try SignedNote(parsing: String(decoding: note, as: UTF8.self)).isSigned(by: noteKey))
    }

    @Test(
        "what is no checkpoint is refused",
        arguments: ["", "a\n1\n", "a\n01\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n", "a\n1\nabc\n", "a\n-1\n\n"]
    )
    func malformed(_ text: String) {
        #expect(throws: EventLogError(.malformed, "")) { try Checkpoint(text: text) }
    }

    @Test(
        "what is no vkey is refused",
        arguments: [
            "", "a+b", "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+c74f20a3+AhpcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "a b+c74f20a3+AA==",
        ]
    )
    func malformedKey(_ text: String) {
        #expect(throws: EventLogError(.malformed, "")) { try NoteKey(vkey: text) }
    }

    @Test("the key is made once, readable by its owner alone")
    func keyFile() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/checkpoint.pem"
            let made = try SigningKeyFile.loadOrMake(path)
            var status = stat()
            #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
            #expect(try SigningKeyFile.loadOrMake(path).publicKey == made.publicKey)
            try writeFile(path, Array("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".utf8))
            #expect(throws: EventLogError(.malformed, "")) { try SigningKeyFile.loadOrMake(path) }
        }
    }

    @Test("what is on record makes the note again")
    func record() throws {
        let key = try SigningKey.generate()
        let checkpoint = try checkpoint()
        let note = try checkpoint.signed(by: key)
        let record = CheckpointRecord(
            size: checkpoint.size,
            root: checkpoint.root.bytes,
            digestVersion: 1,
            stateDigest: [UInt8](repeating: 7, count: 32),
            origin: origin,
            publicKey: key.publicKey.bytes,
            signature: note.signatures[0].bytes
        )
        #expect(record.note == note)
        #expect(Checkpoint.epoch(ofOrigin: origin, registry: testIdentity.registryID) == testIdentity.epoch)
        #expect(Checkpoint.epoch(ofOrigin: origin, registry: RegistryID(rawValue: 1)) == nil)
    }
}
