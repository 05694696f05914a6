import Glibc
import Identity

/// Where an identity is kept between runs, and whom it believes: a directory of its user's alone.
///
///     $XDG_STATE_HOME/hms/identity/<host:port of the registry>/<name>/
///         bundle.pem      the registry's roots
///         identity.pem    key, certificate and issuer, in one file so that they always fit
///
/// Files are replaced by renaming: a reader never sees half of one.
public struct IdentityStore: Sendable {
    private static let mostBytes = 256 * 1_024

    public let directory: String

    /// - Parameters:
    ///   - name: whose it is: the person's own by default, else a service's instance.
    ///   - environment: looks up a variable.
    public init(for address: RegistryAddress, name: String = "user", environment: (String) -> String?) {
        let state: String
        if let named = environment("XDG_STATE_HOME"), named.hasPrefix("/") {
            state = named
        } else {
            state = (environment("HOME") ?? "") + "/.local/state"
        }
        let registry = String(address.authority.map { $0 == "/" ? "_" : $0 })
        directory = "\(state)/hms/identity/\(registry)/\(name)"
    }

    /// What is kept; nil where nothing is.
    ///
    /// - Throws: `bad-address` where it can't be read, with its path.
    public func load() throws(RegistryClientError) -> RegistryCredentials? {
        guard let bundle = try read("bundle.pem") else { return nil }
        do throws(IdentityError) {
            var credentials = RegistryCredentials(bundle: try TrustBundle(pem: bundle))
            guard let text = try? read("identity.pem"),
                let start = text.firstRange(of: "-----BEGIN CERTIFICATE-----")?.lowerBound
            else { return credentials }
            let svid = try X509SVID(pem: String(text[start...]))
            credentials.identity = .init(svid: svid, key: try WorkloadKey(pem: String(text[..<start])))
            credentials.trustDomain = svid.id.trustDomain
            return credentials
        } catch {
            throw unreadable(error.message)
        }
    }

    /// Replaces what is kept.
    public func store(_ credentials: RegistryCredentials) throws(RegistryClientError) {
        try makeDirectory()
        do throws(IdentityError) {
            try PrivateFile.write(try credentials.bundle.pem, to: directory + "/bundle.pem")
            guard let identity = credentials.identity else { return }
            try PrivateFile.write(identity.key.pem + (try identity.svid.pem), to: directory + "/identity.pem")
        } catch {
            throw RegistryClientError(.badAddress, error.message)
        }
    }

    /// Forgets it.
    ///
    /// - Returns: whether there was anything.
    public func remove() -> Bool {
        let removed = ["identity.pem", "bundle.pem"].map { unlink(directory + "/" + $0) == 0 }
        rmdir(directory)
        return removed.contains(true)
    }

    private func makeDirectory() throws(RegistryClientError) {
        var path = ""
        for part in directory.split(separator: "/") {
            path += "/" + part
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
                throw RegistryClientError(.badAddress, "can't make \(path): \(String(cString: strerror(errno)))")
            }
        }
    }

    private func read(_ name: String) throws(RegistryClientError) -> String? {
        let descriptor = open(directory + "/" + name, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            guard errno == ENOENT || errno == ENOTDIR else { throw unreadable(String(cString: strerror(errno))) }
            return nil
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: Self.mostBytes)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count >= 0, let text = String(validating: bytes.prefix(max(0, count)), as: UTF8.self) else {
            throw unreadable("it is no text")
        }
        return text
    }

    private func unreadable(_ why: String) -> RegistryClientError {
        RegistryClientError(
            .badAddress,
            "the identity in \(directory) can't be used: \(why)",
            hint: "hms-reg logout, and login anew"
        )
    }
}
