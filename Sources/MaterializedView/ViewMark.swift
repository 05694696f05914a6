import Glibc
public import RegistryModel

/// The mark beside a view: whether whoever had it open last closed it, on which boot of which disk.
///
/// The view is not synced, so it is only as good as the system's memory: after a power cut it may be torn in ways that
/// LMDB can't see. The mark tells.
public struct ViewMark: Sendable, Equatable {
    /// Everything was synced and closed.
    public var isClean: Bool
    /// The kernel's boot id at the time.
    public var bootID: String
    /// Of the directory, so that a copy to another disk isn't taken for the original.
    public var device: UInt64
    public var sequence: SequenceNumber
    public var epoch: Epoch
    /// The log's Merkle root, in hexadecimal.
    public var root: String

    private static let fileName = "mark"

    /// A mark for the view in `directory` as the machine is now.
    public init(isClean: Bool, sequence: SequenceNumber, epoch: Epoch, root: String, directory: String) {
        self.isClean = isClean
        self.bootID = Self.currentBootID()
        self.device = Self.device(of: directory)
        self.sequence = sequence
        self.epoch = epoch
        self.root = root
    }

    /// nil where there is none, or none that can be read.
    public init?(directory: String) {
        guard let text = readFile(directory + "/" + Self.fileName) else { return nil }
        var fields: [Substring: Substring] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ", maxSplits: 1)
            if parts.count == 2 { fields[parts[0]] = parts[1] }
        }
        guard let state = fields["state"], let boot = fields["boot"], let root = fields["root"],
            let device = fields["device"].flatMap({ UInt64($0) }),
            let sequence = fields["sequence"].flatMap({ UInt64($0) }),
            let epoch = fields["epoch"].flatMap({ Epoch($0) })
        else { return nil }
        isClean = state == "clean"
        bootID = String(boot)
        self.device = device
        self.sequence = SequenceNumber(sequence)
        self.epoch = epoch
        self.root = String(root)
    }

    /// Written beside, synced, and renamed.
    public func write(directory: String) throws(ViewError) {
        let text = """
            state \(isClean ? "clean" : "running")
            boot \(bootID)
            device \(device)
            sequence \(sequence)
            epoch \(epoch)
            root \(root)

            """
        let path = directory + "/" + Self.fileName
        guard writeFile(path + ".new", text), rename(path + ".new", path) == 0, syncDirectory(directory) else {
            throw ViewError(.storage, "\(path) can't be written: \(String(cString: strerror(errno)))")
        }
    }

    // MARK: The rule

    /// What an opener knows of the log.
    public struct LogPosition: Sendable {
        public var registryID: RegistryID
        public var epoch: Epoch
        public var last: SequenceNumber

        public init(registryID: RegistryID, epoch: Epoch, last: SequenceNumber) {
            self.registryID = registryID
            self.epoch = epoch
            self.last = last
        }
    }

    public enum Verdict: Sendable, Equatable {
        /// Good, and complete through this.
        case usable(through: SequenceNumber)
        case mustRebuild(because: String)
    }

    /// Whether the view in `directory` can be used with that log. Every opener asks.
    public static func judge(
        _ mark: ViewMark?,
        _ identity: ViewIdentity?,
        log: LogPosition,
        directory: String
    ) -> Verdict {
        guard let identity else { return .mustRebuild(because: "there is none yet") }
        guard let mark else { return .mustRebuild(because: "it has no mark") }
        guard identity.schema == ViewSchema.version else {
            let layouts = "layout \(identity.schema), this version writes \(ViewSchema.version)"
            return .mustRebuild(because: "it is of \(layouts)")
        }
        guard identity.registryID == log.registryID, identity.epoch == log.epoch, mark.epoch == log.epoch else {
            return .mustRebuild(because: "it belongs to another log")
        }
        guard identity.applied <= log.last else {
            return .mustRebuild(because: "it is ahead of the log: \(identity.applied) against \(log.last)")
        }
        if let suspicion = mark.suspicion(directory: directory) { return .mustRebuild(because: suspicion) }
        return .usable(through: identity.applied)
    }

    /// Why nothing that the view in `directory` says can be believed; nil where it can.
    ///
    /// To be asked before it is opened: LMDB may fall over pages that a power cut tore.
    public func suspicion(directory: String) -> String? {
        guard isClean || bootID == Self.currentBootID() else { return "the machine went down while it was open" }
        guard device == Self.device(of: directory) else { return "it was copied from another disk" }
        return nil
    }

    static func currentBootID() -> String {
        let text = readFile("/proc/sys/kernel/random/boot_id") ?? "unknown"
        return String(text.prefix { $0 != "\n" })
    }

    private static func device(of path: String) -> UInt64 {
        var status = stat()
        return stat(path, &status) == 0 ? UInt64(status.st_dev) : 0
    }
}

private func readFile(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 4_096)
    let count = read(descriptor, &bytes, bytes.count)
    guard count >= 0 else { return nil }
    return String(validating: bytes.prefix(count), as: UTF8.self)
}

private func writeFile(_ path: String, _ text: String) -> Bool {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return write(descriptor, text, text.utf8.count) == text.utf8.count && fdatasync(descriptor) == 0
}

private func syncDirectory(_ path: String) -> Bool {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return fsync(descriptor) == 0
}
