{
  # npm, node-gyp and electron-rebuild look for this file. It compiles nothing by itself: the one build of the addon is
  # native/CMakeLists.txt, driven by scripts/build-native.mjs.
  "targets": [
    {
      "target_name": "qrhead",
      "type": "none",
      "actions": [
        {
          "action_name": "build_native",
          "inputs": ["native/CMakeLists.txt"],
          "outputs": ["build/Release/qrhead.node"],
          "action": ["node", "scripts/build-native.mjs"]
        }
      ]
    }
  ]
}
