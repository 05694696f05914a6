import Testing

@testable import Identity

@Suite("Why TLS failed")
struct TLSFailureTests {
    private struct Library: Error, CustomStringConvertible {
        let description: String
    }

    @Test(
        "is told in words, without the library's files and lines",
        arguments: [
            ("CERTIFICATE_VERIFY_FAILED", TLSFailure.peerNotVerified, true),
            ("SSLV3_ALERT_CERTIFICATE_EXPIRED", .ownCertificateEnded, true),
            ("TLSV1_ALERT_UNKNOWN_CA", .ownAuthorityUnknown, false),
            ("SSLV3_ALERT_BAD_CERTIFICATE", .ownCertificateRefused, true), ("WRONG_VERSION_NUMBER", .notTLS, false),
            ("TLSV1_ALERT_PROTOCOL_VERSION", .noCommonVersion, false),
            ("NO_SHARED_CIPHER", .other("no_shared_cipher"), false),
        ]
    )
    func reasons(name: String, expected: TLSFailure, mayBeClock: Bool) {
        let text =
            "handshakeFailed(NIOSSL.BoringSSLError.sslError([Error: 268435581 error:1000007d:SSL routines:"
            + "OPENSSL_internal:\(name) at /src/CNIOBoringSSL/ssl/handshake.cc:320]))"
        let failure = TLSFailure(Library(description: text))
        #expect(failure == expected)
        #expect(failure.mayBeClock == mayBeClock)
        #expect(!failure.words.contains("/"))
    }

    @Test("what is not known is told as it is, up to a length")
    func unknown() {
        let failure = TLSFailure(Library(description: String(repeating: "x", count: 5_000)))
        #expect(failure.words.count == 200)
        #expect(TLSFailure(Library(description: "uncleanShutdown")) == .ended)
    }
}
