# Written by dltool __complete; edit apps/dltool/options_*.cpp instead.
_dltool() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]-}
  COMPREPLY=()
  if [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W 'train eval predict export convert inspect bench help --help --version' -- "$current"))
    return
  fi
  local options=
  case $command in
  train)
    case $previous in
    -o|--output) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
    --resume) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    --max-time) COMPREPLY=(); return ;;
    --seed) COMPREPLY=(); return ;;
    --explain) COMPREPLY=($(compgen -W 'graph passes plan memory' -- "$current")); return ;;
    --log-format) COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
    --threads) COMPREPLY=(); return ;;
    --isa) COMPREPLY=($(compgen -W 'baseline avx2 avx512 avx512_bf16 amx' -- "$current")); return ;;
    esac
    options='-o --output --resume --max-time --seed --print-config --explain --json -q --quiet -v --verbose --log-format --threads --isa --help'
    ;;
  eval)
    case $previous in
    --data) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    --min) COMPREPLY=(); return ;;
    --max) COMPREPLY=(); return ;;
    --batch) COMPREPLY=(); return ;;
    --log-format) COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
    --threads) COMPREPLY=(); return ;;
    --isa) COMPREPLY=($(compgen -W 'baseline avx2 avx512 avx512_bf16 amx' -- "$current")); return ;;
    esac
    options='--data --min --max --batch --json -q --quiet -v --verbose --log-format --threads --isa --help'
    ;;
  predict)
    case $previous in
    -o|--output) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    --format) COMPREPLY=($(compgen -W 'csv jsonl npy npz' -- "$current")); return ;;
    --input-format) COMPREPLY=($(compgen -W 'csv npy npz hdf5 idx images' -- "$current")); return ;;
    --inputs) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    --outputs) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    --batch) COMPREPLY=(); return ;;
    --log-format) COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
    --threads) COMPREPLY=(); return ;;
    --isa) COMPREPLY=($(compgen -W 'baseline avx2 avx512 avx512_bf16 amx' -- "$current")); return ;;
    esac
    options='-o --output --format --input-format --inputs --outputs --anomalies --batch --json -q --quiet -v --verbose --log-format --threads --isa --help'
    ;;
  export)
    case $previous in
    --to) COMPREPLY=($(compgen -W 'onnx keras safetensors h5 tfjs checkpoint' -- "$current")); return ;;
    --from) COMPREPLY=($(compgen -W 'onnx keras h5 tfjs checkpoint' -- "$current")); return ;;
    --out-dir) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
    --opset) COMPREPLY=(); return ;;
    --keras-version) COMPREPLY=(); return ;;
    --dynamic) COMPREPLY=(); return ;;
    --input-shape) COMPREPLY=(); return ;;
    --layout) COMPREPLY=($(compgen -W 'keep nchw nhwc' -- "$current")); return ;;
    --verify) COMPREPLY=(); return ;;
    --atol) COMPREPLY=(); return ;;
    --rtol) COMPREPLY=(); return ;;
    --lock) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    --manifest) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    --log-format) COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
    --threads) COMPREPLY=(); return ;;
    --isa) COMPREPLY=($(compgen -W 'baseline avx2 avx512 avx512_bf16 amx' -- "$current")); return ;;
    esac
    options='--to --from --out-dir --opset --keras-version --dynamic --input-shape --layout --half --external-data --fold-preprocessing --strip-preprocessing --no-optimizer --verify --no-verify --atol --rtol --force --if-newer --lock --manifest --json -q --quiet -v --verbose --log-format --threads --isa --help'
    ;;
  convert)
    case $previous in
    --glob) COMPREPLY=(); return ;;
    --jobs) COMPREPLY=(); return ;;
    --to) COMPREPLY=($(compgen -W 'onnx keras safetensors h5 tfjs checkpoint' -- "$current")); return ;;
    --from) COMPREPLY=($(compgen -W 'onnx keras h5 tfjs checkpoint' -- "$current")); return ;;
    --out-dir) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
    --opset) COMPREPLY=(); return ;;
    --keras-version) COMPREPLY=(); return ;;
    --dynamic) COMPREPLY=(); return ;;
    --input-shape) COMPREPLY=(); return ;;
    --layout) COMPREPLY=($(compgen -W 'keep nchw nhwc' -- "$current")); return ;;
    --verify) COMPREPLY=(); return ;;
    --atol) COMPREPLY=(); return ;;
    --rtol) COMPREPLY=(); return ;;
    --lock) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    --manifest) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    --log-format) COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
    --threads) COMPREPLY=(); return ;;
    --isa) COMPREPLY=($(compgen -W 'baseline avx2 avx512 avx512_bf16 amx' -- "$current")); return ;;
    esac
    options='--glob --jobs --to --from --out-dir --opset --keras-version --dynamic --input-shape --layout --half --external-data --fold-preprocessing --strip-preprocessing --no-optimizer --verify --no-verify --atol --rtol --force --if-newer --lock --manifest --json -q --quiet -v --verbose --log-format --threads --isa --help'
    ;;
  inspect)
    case $previous in
    --explain) COMPREPLY=($(compgen -W 'graph passes plan memory' -- "$current")); return ;;
    --for) COMPREPLY=($(compgen -W 'onnx keras safetensors h5 tfjs checkpoint' -- "$current")); return ;;
    --log-format) COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
    --threads) COMPREPLY=(); return ;;
    --isa) COMPREPLY=($(compgen -W 'baseline avx2 avx512 avx512_bf16 amx' -- "$current")); return ;;
    esac
    options='--explain --for --selftest --support --json -q --quiet -v --verbose --log-format --threads --isa --help'
    ;;
  bench)
    case $previous in
    --batch) COMPREPLY=(); return ;;
    --mode) COMPREPLY=($(compgen -W 'infer train' -- "$current")); return ;;
    --seconds) COMPREPLY=(); return ;;
    --log-format) COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
    --threads) COMPREPLY=(); return ;;
    --isa) COMPREPLY=($(compgen -W 'baseline avx2 avx512 avx512_bf16 amx' -- "$current")); return ;;
    esac
    options='--batch --mode --seconds --json -q --quiet -v --verbose --log-format --threads --isa --help'
    ;;
  help) COMPREPLY=($(compgen -W 'train eval predict export convert inspect bench help' -- "$current")); return ;;
  esac
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  else
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}
complete -F _dltool dltool
