import EventLog
import Glibc
public import MaterializedView
import RegistryModel

/// The view of a registry whose daemon is not there to be asked, opened read-only by the rule that every opener of a
/// view follows.
public struct OfflineRegistry: Sendable {
    public let view: RegistryView
    /// Events on record that the view does not show: a daemon that was killed leaves some.
    public let eventsBehind: UInt64

    /// - Throws: `data-directory` where there is no registry, or its view can't be trusted.
    public static func open(dataDirectory path: String) throws(RegistryError) -> OfflineRegistry {
        guard access(path + "/log", R_OK) == 0 else {
            throw RegistryError(
                .dataDirectory,
                "\(path) holds no registry: \(String(cString: strerror(errno)))",
                hint: "the directory that hms-regd --data names, or a copy of it"
            )
        }
        let directory = path + "/view/0"
        do {
            let log = try LogReader(directory: path + "/log", stream: .log)
            guard let identity = try log.identity else {
                throw RegistryError(.dataDirectory, "\(path) holds a registry in which nothing has happened yet")
            }
            let last = try log.lastSequence
            let mark = ViewMark(directory: directory)
            if let suspicion = mark?.suspicion(directory: directory) { throw suspect(path, suspicion) }
            let view = try RegistryView.open(directory: directory, access: .readOnly)
            let verdict = ViewMark.judge(
                mark,
                try view.identity(),
                log: ViewMark.LogPosition(registryID: identity.registryID, epoch: identity.epoch, last: last),
                directory: directory
            )
            switch verdict {
            case .usable(let applied):
                return OfflineRegistry(view: view, eventsBehind: last.rawValue - applied.rawValue)
            case .mustRebuild(let reason): throw suspect(path, reason)
            }
        } catch let error as RegistryError {
            throw error
        } catch let error as ViewError {
            throw suspect(path, "\(error)")
        } catch {
            throw RegistryError(.dataDirectory, "\(path) can't be read: \(error)")
        }
    }

    private static func suspect(_ path: String, _ reason: String) -> RegistryError {
        RegistryError(
            .dataDirectory,
            "the view in \(path) is suspect: \(reason)",
            hint: "the log makes it anew: hms-regd --data \(path)"
        )
    }
}
