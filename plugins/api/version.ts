/**
 * Version of the interface that plugins are written against: what `puzzleflow/plugin` exports and expects. It rises when
 * plugins must change. A plugin says in its package.json which one it needs: `"puzzleflow": { "plugin": …, "api": 1 }`.
 */
export const pluginApiVersion = 1
