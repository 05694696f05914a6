import HTTPTypes
import Hummingbird
import Identity
import Registry
import RegistryModel

extension RegistryRoutes {
    func addWatch(to router: Router<Context>) {
        onStream(router, .get, "/v1/watch", parameters: ["service"]) { try watch($0) }
    }

    private func watch(_ request: RoutedRequest) throws -> Response {
        let names = request.target.query.map(\.value)
        guard !names.isEmpty else {
            throw ProblemDetails.badRequest("name what to watch", hint: "?service=a&service=b, or service=* for all")
        }
        guard names.count <= RequestLimits.watchedServices else {
            throw ProblemDetails.badRequest(
                "a watch may name \(RequestLimits.watchedServices) services",
                hint: "service=* watches all"
            )
        }
        let services: WatchedServices =
            names.contains("*") ? .all : .named(Set(try names.map { try ServiceName($0) }))
        var cursor: WatchCursor?
        if let text = request.header("last-event-id"), !text.isEmpty {
            guard let parsed = WatchCursor(text) else {
                throw ProblemDetails.badRequest(
                    "Last-Event-ID \(text.prefix(60)) is no cursor of this API",
                    hint: "leave it out to get the whole state"
                )
            }
            cursor = parsed
        }
        return EventStreamBody(
            registry: registry,
            services: services,
            cursor: cursor,
            bundle: { [authority] in try authority.bundleDocument }
        ).response
    }
}
