/// Why a certificate, a request or a token is not what it should be.
public struct IdentityError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Kinds of error; new ones may come.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        public let description: String

        /// Text that is no SPIFFE ID, trust domain or DNS name.
        public static let malformedName = Code(description: "malformed-name")
        /// Bytes that are no certificate, key or certificate signing request.
        public static let malformedCertificate = Code(description: "malformed-certificate")
        /// A request whose signature is not its key's, or whose key is not P-256.
        public static let badRequest = Code(description: "bad-request")
        /// Text that is no join token.
        public static let malformedToken = Code(description: "malformed-token")
        /// Keys can't be read or written.
        public static let storage = Code(description: "storage")
        /// The issuer's or root's time is over.
        public static let authorityExpired = Code(description: "authority-expired")
        /// One root hands over to another already.
        public static let rotationUnderWay = Code(description: "rotation-under-way")
        /// There is nothing to finish, or not yet.
        public static let noRotation = Code(description: "no-rotation")
        /// Certificates and keys that can't be an authority of this registry.
        public static let unfitAuthority = Code(description: "unfit-authority")
        /// A passphrase that does not open what it should.
        public static let wrongPassphrase = Code(description: "wrong-passphrase")
        /// Bytes that are no backup of keys, or damaged.
        public static let malformedBackup = Code(description: "malformed-backup")
    }

    public let code: Code
    /// What is wrong, and what would be right. Never holds a secret.
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String {
        message
    }

    public static func == (lhs: IdentityError, rhs: IdentityError) -> Bool {
        lhs.code == rhs.code
    }
}
