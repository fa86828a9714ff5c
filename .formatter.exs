[
  inputs: [
    "{mix,.formatter}.exs",
    "{lib,test,bench,examples,native}/**/*.{ex,exs}"
  ]
]
