/// The page's own files, which are part of the program.
enum PageAsset {
    /// nil where there is no such file.
    static func reply(_ path: [String]) -> PageReply? {
        switch path {
        case []: PageReply(PackageResources.index_html, type: "text/html; charset=utf-8")
        case ["style.css"]: PageReply(PackageResources.style_css, type: "text/css; charset=utf-8")
        case ["icon.svg"], ["favicon.ico"]: PageReply(PackageResources.icon_svg, type: "image/svg+xml")
        case ["app.js"]: script(PackageResources.app_js)
        case ["format.js"]: script(PackageResources.format_js)
        case ["store.js"]: script(PackageResources.store_js)
        case ["services.js"]: script(PackageResources.services_js)
        case ["mesh.js"]: script(PackageResources.mesh_js)
        case ["registry.js"]: script(PackageResources.registry_js)
        case ["details.js"]: script(PackageResources.details_js)
        case ["timeline.js"]: script(PackageResources.timeline_js)
        default: nil
        }
    }

    private static func script(_ bytes: [UInt8]) -> PageReply {
        PageReply(bytes, type: "text/javascript; charset=utf-8")
    }
}
