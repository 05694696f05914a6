import Glibc
import Identity
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

    private static let mostBytes = 64 * 1_024

    /// - Throws: `storage`.
    func write(to directory: String) throws {
        try PrivateFile.makeDirectory(directory)
        var json = JSONWriter()
        json.beginObject()
        json.member("service", service)
        json.member("id", id)
        json.member("outbound", outbound)
        json.member("admin", admin)
        json.member("pid", pid)
        json.endObject()
        try PrivateFile.write(json.string + "\n", to: directory + "/sidecar.json")
    }

    /// - Returns: nil where it is none of ours, or its sidecar lives no more.
    static func read(_ path: String) -> SidecarFile? {
        var status = stat()
        guard stat(path, &status) == 0, status.st_uid == geteuid(),
            let text = try? PrivateFile.read(path, limit: mostBytes)
        else { return nil }
        let file = try? JSONReader.parse(Array(text.utf8)) { (json) throws(RegistryModelError) in
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
            let found = DirectoryListing.names(in: folder + "/.hms").compactMap { name -> (SidecarFile, Int)? in
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
}
