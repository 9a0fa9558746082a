/**
 * Version of the plugin interface: what `puzzleflow/plugin` exports and expects. It increases when plugins have to change. A plugin
 * declares the version that it needs in its package.json: `"puzzleflow": { "plugin": …, "api": 1 }`.
 */
export const pluginApiVersion = 1
