import Glibc
import Identity
import RegistryClient
import RegistryModel

/// The key and certificate of this sidecar, kept across restarts: made once, signed by the registry, renewed from a third of
/// its life on.
actor WorkloadIdentity {
    /// How long after a failed renewal it is tried again.
    private static let retry = Duration.seconds(30)

    private let service: ServiceName
    private let registry: RegistryAddress
    private let directory: String
    private(set) var key: WorkloadKey
    private(set) var svid: X509SVID?
    private(set) var bundle: TrustBundle?
    /// Why the last renewal did not come about.
    private(set) var lastFailure: String?

    /// - Parameter directory: of this service's identity; made with mode 0700.
    /// - Throws: `storage`; a key file that holds no key.
    init(service: ServiceName, registry: RegistryAddress, directory: String) throws {
        self.service = service
        self.registry = registry
        self.directory = directory
        try PrivateDirectory.make(directory)
        if let text = readText(directory + "/key.pem") {
            key = try WorkloadKey(pem: text)
        } else {
            key = WorkloadKey()
            try PrivateFile.write(key.pem, to: directory + "/key.pem")
        }
        // What is kept may be of another registry, or over: then it is asked for anew.
        if let text = readText(directory + "/bundle.pem") { bundle = try? TrustBundle(pem: text) }
        if let text = readText(directory + "/certificate.pem") { svid = try? X509SVID(pem: text) }
    }

    /// The certificate that is kept while it is good for a while; else a new one, else the old one while it is valid.
    ///
    /// - Throws: what ``renew()`` does, where there is none at all.
    func obtain(now: Timestamp) async throws -> X509SVID {
        if let svid, bundle != nil, svid.renewAfter > now { return svid }
        do {
            return try await renew()
        } catch {
            // The registry may be away: what is still valid carries on, and renewal is tried again.
            if let svid, bundle != nil, svid.notAfter > now { return svid }
            throw error
        }
    }

    /// Has the key signed, and takes the roots that the registry believes.
    ///
    /// - Throws: what the registry says; what it answers that is no certificate of this service.
    @discardableResult
    func renew() async throws -> X509SVID {
        do {
            let request = try SVIDRequest.pem(signedBy: key)
            let service = service
            let (issued, authority) = try await RegistryConnection.withConnection(to: registry) { connection in
                (
                    try await connection.issueCertificate(service: service, request: request),
                    try await connection.authority()
                )
            }
            let svid = try X509SVID(pem: issued.certificate)
            let bundle = try TrustBundle(pem: authority.bundle)
            guard svid.id.subject == .service(service) else {
                throw IdentityError(
                    .malformedCertificate,
                    "the registry's certificate is of \(svid.id), not of \(service)"
                )
            }
            try PrivateFile.write(issued.certificate, to: directory + "/certificate.pem")
            try PrivateFile.write(authority.bundle, to: directory + "/bundle.pem")
            self.svid = svid
            self.bundle = bundle
            lastFailure = nil
            return svid
        } catch {
            lastFailure = "\(error)"
            throw error
        }
    }

    /// Takes the roots that the registry believes now.
    ///
    /// - Returns: whether they are others than before, and can be read.
    func use(bundle pem: String) -> Bool {
        guard let read = try? TrustBundle(pem: pem), read != bundle else { return false }
        bundle = read
        // Kept as well as may be: the watch says it again after a restart.
        try? PrivateFile.write(pem, to: directory + "/bundle.pem")
        return true
    }

    /// How long until the next renewal is due.
    func wait(now: Timestamp) -> Duration {
        if lastFailure != nil { return Self.retry }
        guard let svid else { return .zero }
        return max(.zero, svid.renewAfter.since(now))
    }
}

/// Folders that only their owner may enter.
enum PrivateDirectory {
    /// Makes it and what is missing above it.
    ///
    /// - Throws: `storage`.
    static func make(_ path: String) throws(IdentityError) {
        var made = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            made += "/" + part
            guard mkdir(made, 0o700) == 0 || errno == EEXIST else {
                throw IdentityError(.storage, "can't make \(made): \(String(cString: strerror(errno)))")
            }
        }
    }
}

/// A small file whole; nil where it can't be read.
func readText(_ path: String, limit: Int = 1_048_576) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 16_384)
    var text: [UInt8] = []
    while text.count <= limit {
        let count = read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return count == 0 ? String(decoding: text, as: UTF8.self) : nil }
        text.append(contentsOf: bytes[..<count])
    }
    return nil
}
