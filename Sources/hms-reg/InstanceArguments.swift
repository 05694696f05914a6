import ArgumentParser
import Identity
import RegistryClient
import RegistryModel
import Terminal

/// One instance: `SERVICE ID`, or `SERVICE/ID` as tables write it.
struct InstanceArguments: ParsableArguments {
    @Argument(help: ArgumentHelp("The service, or service/id in one word.", valueName: "service"))
    var service: String

    @Argument(help: ArgumentHelp("The instance's id.", valueName: "id"))
    var id: String?

    /// - Throws: exit code 2 where a part is missing or breaks its rule.
    func key() throws -> InstanceKey {
        let (service, id) = try Self.parts(service, id)
        guard let id else {
            throw CommandError(
                "no instance of \(service) is named",
                hint: "SERVICE ID, or SERVICE/ID",
                exitCode: .usage
            )
        }
        return InstanceKey(service: service, id: id)
    }

    /// The service, and the instance where one is named.
    static func parts(_ service: String, _ id: String?) throws -> (ServiceName, InstanceID?) {
        let halves = service.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard halves.count == 1 || id == nil else {
            throw CommandError("\(service) names an instance already; \(id ?? "") is one too many", exitCode: .usage)
        }
        let idText = halves.count == 2 ? String(halves[1]) : id
        return try checked {
            (try ServiceName(String(halves[0])), try idText.map { try InstanceID($0) })
        }
    }
}

/// Runs `body`, whose complaints are about what somebody typed.
func checked<R>(_ body: () throws -> R) throws -> R {
    do {
        return try body()
    } catch let error as RegistryModelError {
        throw CommandError(error.message, exitCode: .usage)
    } catch let error as IdentityError {
        throw CommandError(error.message, exitCode: .usage)
    } catch let error as RegistryClientError {
        throw CommandError(error.message, hint: error.hint, exitCode: .usage)
    }
}
