import TestSupport
import Testing

@testable import Identity

@Suite("Join tokens")
struct JoinTokenTests {
    private let token = JoinToken(
        address: "reg.gov.local:9000",
        rootKeyHash: Array(repeating: 7, count: 32),
        secret: Array(0..<32)
    )

    @Test("are one word that says where, whom to believe, and a secret")
    func roundTrip() throws {
        let text = token.text
        #expect(text.hasPrefix("hms1."))
        #expect(text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F })
        let read = try JoinToken(text)
        #expect(read == token)
        #expect(read.address == "reg.gov.local:9000")
        #expect(read.hash == token.hash)
    }

    @Test("tell nothing of the secret where they are logged")
    func description() {
        #expect(!"\(token)".contains(token.text.dropFirst(40)))
        // SHA-256 of bytes 0 to 31.
        #expect("\(token)" == "join token 630dcd29")
    }

    @Test("are refused when cut, longer, changed in form or of another kind")
    func malformed() {
        let text = token.text
        for length in 0..<text.count where length < 90 {
            #expect(throws: IdentityError(.malformedToken, "")) { try JoinToken(String(text.prefix(length))) }
        }
        for bad in [
            text + "=", text + "!", "hms2." + text.dropFirst(5), text + String(repeating: "A", count: 600), " " + text,
        ] {
            #expect(throws: IdentityError(.malformedToken, "")) { try JoinToken(bad) }
        }
        let noPort = JoinToken(address: "reg.gov.local", rootKeyHash: token.rootKeyHash, secret: Array(0..<32))
        #expect(throws: IdentityError(.malformedToken, "")) { try JoinToken(noPort.text) }
    }

    @Test("base64url has one spelling of each value")
    func base64() {
        var random = SeededGenerator(seed: 4)
        for length in 0..<70 {
            let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
            #expect(Base64URL.decode(Base64URL.encode(bytes)) == bytes)
        }
        #expect(Base64URL.encode(Array("any carnal pleas".utf8)) == "YW55IGNhcm5hbCBwbGVhcw")
        for bad in ["A", "AB=", "AB==", "AC", "AAD", "a+b/", "ABCDE"] {
            #expect(Base64URL.decode(bad) == nil, "\(bad)")
        }
    }
}
