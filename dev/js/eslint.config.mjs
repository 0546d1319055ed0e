// Undefined and unused names, and what is almost always a mistake. Formatting is prettier's.
const browser = Object.fromEntries(
    [
        "AbortController",
        "Event",
        "URL",
        "clearInterval",
        "clearTimeout",
        "console",
        "document",
        "fetch",
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
    { files: ["**/ibhxh_sandbox/static/*.js"], languageOptions: { sourceType: "script" } },
];
