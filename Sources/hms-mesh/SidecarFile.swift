import Glibc
import RegistryModel
import Supervision

/// `.hms/<service>-<port>/sidecar.json` in the service's folder: how the SDK and `hms-mesh curl` find the sidecar of whoever
/// works there.
struct SidecarFile: Sendable, Equatable {
    var service: String
    var id: String
    /// `host:port` or `unix:PATH`
    var outbound: String
    var admin: String
    var pid: Int32

    /// - Throws: `storage`.
    func write(to directory: String) throws {
        try StateDirectories.make(directory)
        var json = JSONWriter()
        json.beginObject()
        json.member("service", service)
        json.member("id", id)
        json.member("outbound", outbound)
        json.member("admin", admin)
        json.member("pid", pid)
        json.endObject()
        try StateDirectories.replace(directory + "/sidecar.json", with: json.string + "\n")
    }

    /// - Returns: nil where it is none of ours, or its sidecar lives no more.
    static func read(_ path: String) -> SidecarFile? {
        var status = stat()
        guard stat(path, &status) == 0, status.st_uid == geteuid(), status.st_size < 65_536 else { return nil }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return nil }
        let file = try? JSONReader.parse(Array(bytes[..<count])) { (json) throws(RegistryModelError) in
            var file = SidecarFile(service: "", id: "", outbound: "", admin: "", pid: 0)
            try json.object { (json, name) throws(RegistryModelError) in
                switch name {
                case "service": file.service = try json.string()
                case "id": file.id = try json.string()
                case "outbound": file.outbound = try json.string()
                case "admin": file.admin = try json.string()
                case "pid": file.pid = try json.integer()
                default: try json.skip()
                }
            }
            return file
        }
        guard let file, file.pid > 0, kill(file.pid, 0) == 0 || errno == EPERM else { return nil }
        return file
    }

    /// The nearest one, from this folder upwards; of several in one folder the newest.
    static func nearest() -> SidecarFile? {
        guard let resolved = realpath(".", nil) else { return nil }
        defer { free(resolved) }
        var folder = String(cString: resolved)
        while true {
            let found = names(in: folder + "/.hms").compactMap { name -> (SidecarFile, Int)? in
                let path = "\(folder)/.hms/\(name)/sidecar.json"
                var status = stat()
                guard stat(path, &status) == 0, let file = read(path) else { return nil }
                return (file, status.st_mtim.tv_sec)
            }
            if let newest = found.max(by: { $0.1 < $1.1 }) { return newest.0 }
            guard let slash = folder.lastIndex(of: "/"), folder != "/" else { return nil }
            folder = slash == folder.startIndex ? "/" : String(folder[..<slash])
        }
    }

    static func names(in directory: String) -> [String] {
        guard let handle = opendir(directory) else { return [] }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}
