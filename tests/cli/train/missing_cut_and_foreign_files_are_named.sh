. "$(dirname "$0")/../lib.sh"
small
mv data.h5 whole.h5
ranks 2 train run.yaml
exits 65
says_once "data.h5"
head -c 3000 whole.h5 >data.h5
ranks 2 train run.yaml
exits 65
says_once "data.h5"
echo "this is no data" >data.h5
lockstep train run.yaml
exits 65
says "HDF5"
printf 'a,b\n1,2\n' >data.csv
lockstep train run.yaml --set data.train=data.csv
exits 65
says_once "lockstep data import csv"
cp whole.h5 data.h5
sed -i 's,data.h5:/train,data.h5:/nothing,' run.yaml
lockstep train run.yaml
exits 65
says "/nothing"
lockstep train nowhere.yaml
exits 2
says "nowhere.yaml"
