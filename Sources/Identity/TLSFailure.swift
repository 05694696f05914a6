/// Why a TLS handshake failed, by what BoringSSL says of it, which otherwise names files and lines of its own.
public enum TLSFailure: Sendable, Equatable {
    /// The other end says that this side's certificate has ended.
    case ownCertificateEnded
    /// It says that it does not believe the authority of this side's certificate.
    case ownAuthorityUnknown
    /// It does not take this side's certificate, for another reason.
    case ownCertificateRefused
    /// The other end's certificate is not of the roots that are believed, or not valid at this time.
    case peerNotVerified
    case notTLS
    case noCommonVersion
    /// It ended the connection without a word.
    case ended
    /// BoringSSL's own name of it.
    case other(String)

    /// The alerts of RFC 8446 §6.2 and the library's own errors.
    private static let reasons: [(text: String, failure: TLSFailure)] = [
        ("ALERT_CERTIFICATE_EXPIRED", .ownCertificateEnded), ("ALERT_UNKNOWN_CA", .ownAuthorityUnknown),
        ("ALERT_BAD_CERTIFICATE", .ownCertificateRefused), ("ALERT_UNSUPPORTED_CERTIFICATE", .ownCertificateRefused),
        ("ALERT_CERTIFICATE_UNKNOWN", .ownCertificateRefused), ("CERTIFICATE_VERIFY_FAILED", .peerNotVerified),
        ("WRONG_VERSION_NUMBER", .notTLS), ("HTTP_REQUEST", .notTLS), ("HTTPS_PROXY_REQUEST", .notTLS),
        ("ALERT_PROTOCOL_VERSION", .noCommonVersion), ("UNSUPPORTED_PROTOCOL", .noCommonVersion),
        ("uncleanShutdown", .ended),
    ]

    private static let mostCharacters = 200

    /// - Parameter error: NIOSSL's, or BoringSSL's.
    public init(_ error: any Error) {
        let text = "\(error)"
        if let known = Self.reasons.first(where: { text.contains($0.text) }) {
            self = known.failure
            return
        }
        // … OPENSSL_internal:NO_SHARED_CIPHER at /…/handshake.cc:320
        guard let begin = text.firstRange(of: "OPENSSL_internal:")?.upperBound else {
            self = .other(String(text.prefix(Self.mostCharacters)))
            return
        }
        self = .other(text[begin...].prefix { $0 != " " && $0 != "]" }.lowercased())
    }

    /// With "it" for the other end.
    public var words: String {
        switch self {
        case .ownCertificateEnded: "it says that this side's certificate has ended"
        case .ownAuthorityUnknown: "it does not believe the authority of this side's certificate"
        case .ownCertificateRefused: "it does not accept this side's certificate"
        case .peerNotVerified: "its certificate is not of the authority that is believed here, or is not valid now"
        case .notTLS: "it does not speak TLS"
        case .noCommonVersion: "it speaks no version of TLS that is spoken here"
        case .ended: "it ended the connection"
        case .other(let name): name
        }
    }

    /// Whether a clock that is wrong would explain it.
    public var mayBeClock: Bool {
        switch self {
        case .ownCertificateEnded, .ownCertificateRefused, .peerNotVerified: true
        default: false
        }
    }
}
