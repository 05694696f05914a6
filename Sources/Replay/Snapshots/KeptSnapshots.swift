import EventLog
import Glibc
import OpenSSLCrypto
public import RegistryModel

/// The snapshots of one registry that lie in directories: places from which its history can be told without being folded
/// from the first event on.
public struct KeptSnapshots: Sendable {
    public struct Kept: Sendable {
        public let path: String
        public let manifest: SnapshotManifest
    }

    public static let suffix = ".tar.zst"

    /// The newest first.
    public let snapshots: [Kept]
    /// What lies there and could not be read, in words.
    public let warnings: [String]

    /// - Parameter registry: whose; nil: whoever's lie there.
    public init(in directories: [String], of registry: RegistryID?) {
        var snapshots: [Kept] = []
        var warnings: [String] = []
        for directory in directories {
            for name in WorkDirectory.entries(directory).sorted() where name.hasSuffix(Self.suffix) {
                let path = directory + "/" + name
                do {
                    let manifest = try SnapshotArchive.inspect(path)
                    if manifest.registryID == registry ?? manifest.registryID {
                        snapshots.append(Kept(path: path, manifest: manifest))
                    }
                } catch {
                    warnings.append("\(path) can't be used: \(ReplayError.text(of: error))")
                }
            }
        }
        self.snapshots = snapshots.sorted { $0.manifest.sequence > $1.manifest.sequence }
        self.warnings = warnings
    }

    /// Those that reach no further than a moment, the newest first.
    public func notAfter(_ moment: Moment) -> [Kept] {
        snapshots.filter { kept in
            switch moment {
            case .now: true
            case .sequence(let sequence): kept.manifest.sequence <= sequence
            case .time(let time): kept.manifest.time <= time
            }
        }
    }
}

extension ReplayError {
    /// What is wrong, in a sentence, whatever the error's type.
    static func text(of error: any Error) -> String {
        switch error {
        case let error as ReplayError: error.message
        case let error as EventLogError: error.message
        case let error as RegistryModelError: error.message
        default: "\(error)"
        }
    }
}
