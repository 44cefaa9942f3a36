"""`make stack`: the services of docker-compose.yaml as processes of this machine, where no engine is."""
