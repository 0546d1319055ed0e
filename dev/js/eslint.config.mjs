// Undefined and unused names, and what is almost always a mistake. Formatting is prettier's.
const browser = Object.fromEntries(
    [
        "AbortController",
        "CSS",
        "Event",
        "MutationObserver",
        "URL",
        "URLSearchParams",
        "clearInterval",
        "clearTimeout",
        "console",
        "document",
        "fetch",
        "location",
        "navigator",
        "setInterval",
        "setTimeout",
        "window",
    ].map((name) => [name, "readonly"])
);

const rules = {
    eqeqeq: "error",
    "no-const-assign": "error",
    "no-dupe-keys": "error",
    "no-shadow": "error",
    "no-undef": "error",
    "no-unreachable": "error",
    "no-unused-vars": "error",
    "no-var": "error",
    "prefer-const": "error",
};

export default [
    { files: ["**/static/**/*.js"], languageOptions: { sourceType: "module", globals: browser }, rules },
    {
        // Either would leave all other tests out.
        files: ["**/static/tests/unit/*.js"],
        rules: {
            "no-restricted-properties": [
                "error",
                ...["test", "describe"].flatMap((object) => ["only", "debug"].map((property) => ({ object, property }))),
            ],
        },
    },
];
