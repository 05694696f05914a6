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
        do throws(IdentityError) {
            try PrivateFile.makeDirectory(directory)
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

    private func read(_ name: String) throws(RegistryClientError) -> String? {
        do throws(IdentityError) {
            return try PrivateFile.read(directory + "/" + name)
        } catch {
            throw unreadable(error.message)
        }
    }

    private func unreadable(_ why: String) -> RegistryClientError {
        RegistryClientError(
            .badAddress,
            "the identity in \(directory) can't be used: \(why)",
            hint: "hms-reg logout, and login anew"
        )
    }
}
