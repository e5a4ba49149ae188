// TF.js as the judge, one process for many models: each line of stdin is a request, each line of stdout its answer.
//   {"load": FOLDER, "inputs": [{"shape", "dtype", "data"}...]}  -> {"outputs": [{"shape", "data"}...]} or {"error"}
//   {"build": JAVASCRIPT, "save": FOLDER, "inputs": [...]}       -> the same, of a model that the script returns and that is saved
// The environment names the folder of node_modules: TFJS_MODULES.
const fs = require('fs');
const path = require('path');
const readline = require('readline');
const tf = require(path.join(process.env.TFJS_MODULES, '@tensorflow/tfjs'));

function reader(folder) {
  return {
    load: async () => {
      const json = JSON.parse(fs.readFileSync(path.join(folder, 'model.json'), 'utf8'));
      const parts = [];
      const weightSpecs = [];
      for (const group of json.weightsManifest) {
        for (const name of group.paths) parts.push(fs.readFileSync(path.join(folder, name)));
        weightSpecs.push(...group.weights);
      }
      const data = Buffer.concat(parts);
      return {
        modelTopology: json.modelTopology, format: json.format, weightSpecs,
        weightData: data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength),
        trainingConfig: json.trainingConfig, userDefinedMetadata: json.userDefinedMetadata,
      };
    },
  };
}

// As tfjs-node's file handler does it.
function writer(folder) {
  return {
    save: async (artifacts) => {
      fs.mkdirSync(folder, {recursive: true});
      fs.writeFileSync(path.join(folder, 'weights.bin'), Buffer.from(artifacts.weightData));
      fs.writeFileSync(path.join(folder, 'model.json'), JSON.stringify({
        modelTopology: artifacts.modelTopology, format: artifacts.format, generatedBy: artifacts.generatedBy,
        convertedBy: artifacts.convertedBy, trainingConfig: artifacts.trainingConfig,
        weightsManifest: [{paths: ['weights.bin'], weights: artifacts.weightSpecs}],
      }));
      return {modelArtifactsInfo: {dateSaved: new Date(), modelTopologyType: 'JSON'}};
    },
  };
}

function predict(model, inputs) {
  const tensors = inputs.map((t) => tf.tensor(t.data, t.shape, t.dtype));
  const result = model.predict(tensors.length === 1 ? tensors[0] : tensors);
  const outputs = (Array.isArray(result) ? result : [result]).map((t) => ({shape: t.shape, data: Array.from(t.dataSync())}));
  return {outputs, names: model.outputNames, layers: model.layers.map((l) => l.getClassName())};
}

// Random weights, none symmetric.
function fill(model) {
  let state = 12345;
  model.setWeights(model.getWeights().map((w, k) => {
    const values = new Float32Array(w.size);
    for (let i = 0; i < values.length; ++i) {
      state = (state * 1103515245 + 12345) % 2147483648;
      values[i] = (state / 2147483648 - 0.5);
    }
    const name = model.weights[k].name;
    return tf.tensor(name.includes('variance') ? values.map((v) => Math.abs(v) + 0.1) : values, w.shape);
  }));
  return model;
}

async function answer(request) {
  if (request.load) return predict(await tf.loadLayersModel(reader(request.load)), request.inputs);
  const model = fill(new Function('tf', request.build)(tf));
  await model.save(writer(request.save));
  return predict(model, request.inputs);
}

(async () => {
  await tf.setBackend('cpu');
  for await (const line of readline.createInterface({input: process.stdin})) {
    let reply;
    try {
      reply = await answer(JSON.parse(line));
    } catch (error) {
      reply = {error: String(error.message || error)};
    }
    tf.disposeVariables();
    process.stdout.write(JSON.stringify(reply, (key, v) => typeof v === 'number' && !Number.isFinite(v) ? String(v) : v) + '\n');
  }
})();
